# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks compiled by torch: one kernel library per network and image size.

Compilation is ahead of time, so loading needs neither a compiler nor tracing of the network.
"""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import os
from pathlib import Path
import platform
import shutil

import torch
from torch import Tensor

from ldn_perception.errors import InferenceError
from ldn_perception.hardware import PRECISION_NAMES, upload
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import ExportedEngine, quiet_export
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

_FORMAT = 1
_FILE = 'network.pt2'
_CONSTANT_WEIGHTS = {'freezing': True, 'cpp.dynamic_threads': True}
_WARM_UP_RUNS = 3


class CompiledBackend:
    """Backend for networks compiled with torch's AOTInductor.

    Args:
        precision: torch.float32, or torch.bfloat16 for operations supported by autocast.
        device: Device of its engines.

    Raises:
        InferenceError: There is no C++ compiler, or no Triton for a GPU.
    """

    name = 'compiled'

    def __init__(self, precision: torch.dtype, device: torch.device) -> None:
        _check_compiler()
        if device.type == 'cuda':
            _check_triton()
        self._precision = precision
        self._device = device

    @property
    def fingerprint(self) -> str:
        """See Backend."""
        return (f'compiled, {PRECISION_NAMES[self._precision]}, torch {torch.__version__}, '
                f'{_processor(self._device)}, format {_FORMAT}')

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """See Backend."""
        own = self._prepare(network)
        try:
            with quiet_export(), torch.no_grad():
                program = torch.export.export(own, own.example_inputs(size))
                torch._inductor.aoti_compile_and_package(
                    program, package_path=str(folder / _FILE),
                    inductor_configs=_CONSTANT_WEIGHTS)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InferenceError(
                f'network {type(network.model).__name__}', must_be='one that torch can compile',
                got=error, do='choose another engine',
            ) from error

    def load(
        self, network: DeployedNetwork, size: ImageSize, folder: Path,
    ) -> CompiledEngine | GraphEngine:
        """See Backend."""
        on_gpu = self._device.type == 'cuda'
        try:
            compiled = torch._inductor.aoti_load_package(
                str(folder / _FILE), run_single_threaded=on_gpu,
                device_index=(self._device.index or 0) if on_gpu else -1)
        except (RuntimeError, OSError) as error:
            raise InferenceError(
                f'exported network {folder}', must_be='as torch compiled it', got=error,
                do='delete that folder and export again',
            ) from error
        if on_gpu:
            inputs = tuple(value.to(self._device) for value in network.example_inputs(size))
            return GraphEngine(compiled, inputs, size, self._precision)
        return CompiledEngine(compiled, size, network.uses_disparity, self._precision)

    def _prepare(self, network: DeployedNetwork) -> DeployedNetwork:
        """Copy the network into the form that is compiled."""
        own = network.rewritten().to(self._device)
        if self._precision != torch.float32:
            own.model = _InPrecision(own.model, self._device.type, self._precision)
        # torch's type stubs lack this overload of Module.to
        own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return own


class CompiledEngine(ExportedEngine):
    """Runs a compiled network on the CPU, on images of one size.

    Args:
        compiled: Compiled function with inputs and output of DeployedNetwork.
        size: Image size it was compiled for.
        uses_disparity: True if the network needs pixels_per_metre.
        precision: Precision it was compiled for.
    """

    def __init__(
        self, compiled: Callable[..., Tensor], size: ImageSize, uses_disparity: bool,
        precision: torch.dtype,
    ) -> None:
        super().__init__(
            f'compiled, {PRECISION_NAMES[precision]}', size, uses_disparity, torch.device('cpu'))
        self._compiled = compiled

    def _infer(self, inputs: list[Tensor]) -> Tensor:
        with torch.inference_mode():
            return self._compiled(*inputs)


class GraphEngine(ExportedEngine):
    """Runs a compiled network on a GPU as one CUDA graph, on images of one size.

    Not thread-safe: the inputs have fixed memory.

    Args:
        compiled: Compiled function with inputs and output of DeployedNetwork, on the GPU.
        inputs: Example inputs on the GPU; later images are copied into them.
        size: Image size it was compiled for.
        precision: Precision it was compiled for.
    """

    def __init__(
        self, compiled: Callable[..., Tensor], inputs: tuple[Tensor, ...], size: ImageSize,
        precision: torch.dtype,
    ) -> None:
        super().__init__(
            f'compiled, {PRECISION_NAMES[precision]}, CUDA graph', size, len(inputs) > 1,
            inputs[0].device)
        self._inputs = inputs
        with torch.cuda.device(self.device), torch.inference_mode():
            self._graph, self._logits = _capture(compiled, inputs)

    def _infer(self, inputs: list[Tensor]) -> Tensor:
        with torch.cuda.device(self.device), torch.inference_mode():
            for value, place in zip(inputs, self._inputs, strict=True):
                place.copy_(upload(value, self.device))
            self._graph.replay()
            return self._logits.clone()


class _InPrecision(SegmentationModel):
    """Runs a network under autocast, which keeps sensitive operations in float32.

    Args:
        model: The network.
        device_type: Type of its device: 'cpu' or 'cuda'.
        precision: torch.bfloat16.
    """

    def __init__(
        self, model: SegmentationModel, device_type: str, precision: torch.dtype,
    ) -> None:
        super().__init__()
        self.num_classes, self.stride = model.num_classes, model.stride
        self.uses_disparity = model.uses_disparity
        self._model = model
        self._device_type = device_type
        self._precision = precision

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """See SegmentationModel."""
        with torch.autocast(self._device_type, self._precision):
            output: SegmentationOutput = self._model(image, pixels_per_metre)
        return output


def _capture(
    compiled: Callable[..., Tensor], inputs: tuple[Tensor, ...],
) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """Capture one run as a CUDA graph; return the graph and its output tensor."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP_RUNS):
            compiled(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = compiled(*inputs)
    return graph, logits


def _check_compiler() -> None:
    command = os.environ.get('CXX', 'g++')
    if shutil.which(command) is None:
        raise InferenceError(
            'C++ compiler', must_be='installed for engine compiled', got=f'no {command}',
            do='install g++, name another one in the variable CXX, or choose another engine',
        )


def _check_triton() -> None:
    if importlib.util.find_spec('triton') is None:
        raise InferenceError(
            'package triton', must_be='installed for engine compiled on a GPU', got='no triton',
            do='install the torch that is built for CUDA, or choose another engine',
        )


def _processor(device: torch.device) -> str:
    """Description of everything that kernels are compiled for."""
    capabilities = torch.cpu.get_capabilities()
    names = [name for name, value in sorted(capabilities.items()) if value is True]
    host = f'{platform.machine()} {" ".join(names)}'
    if device.type == 'cuda':
        return f'{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, {host}'
    return host
