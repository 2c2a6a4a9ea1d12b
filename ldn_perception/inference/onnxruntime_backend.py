# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime backend for CPU, CUDA and TensorRT. The only module that imports onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.hardware import PRECISION_NAMES, upload
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import ExportedEngine, quiet_export

PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
"""Provider -> its name in ONNX Runtime."""

_FORMAT = 1
_FILE = 'network.onnx'
_FAILURES = (
    'EngineError', 'EPFail', 'Fail', 'InvalidArgument', 'InvalidGraph', 'InvalidProtobuf',
    'NoSuchFile', 'NotImplemented', 'RuntimeException',
)


class OnnxRuntimeBackend:
    """Backend of ONNX Runtime.

    The CUDA and TensorRT providers are untested.

    Args:
        precision: torch.float32, or torch.bfloat16 with TensorRT.
        device: Device of its engines.
        num_threads: CPU threads of its engines, at least 1.
        provider: One of `PROVIDERS`.

    Raises:
        InferenceError: ONNX Runtime is not installed or lacks the provider, or the provider does
            not support the device or the precision.
    """

    def __init__(
        self, precision: torch.dtype, device: torch.device, num_threads: int, provider: str,
    ) -> None:
        self.name = 'tensorrt' if provider == 'tensorrt' else 'onnxruntime'
        self._precision = precision
        self._device = device
        self._num_threads = num_threads
        self._provider = provider
        self._onnxruntime = _import_onnxruntime(self.name)
        self._check()

    @property
    def fingerprint(self) -> str:
        """See Backend."""
        parts = [
            f'onnxruntime {self._onnxruntime.__version__}', self._provider,
            PRECISION_NAMES[self._precision], f'torch {torch.__version__}', f'format {_FORMAT}']
        if self._provider == 'tensorrt':
            parts.append(torch.cuda.get_device_name(self._device))
        return ', '.join(parts)

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """See Backend.

        Raises:
            InferenceError: torch cannot export the network, or the exporter is not installed.
        """
        _check_exporter()
        try:
            with quiet_export():
                torch.onnx.export(
                    network, network.example_inputs(size), folder / _FILE, dynamo=True,
                    external_data=False, verbose=False)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InferenceError(
                f'network {type(network.model).__name__}',
                must_be='one that torch can write as ONNX', got=error,
                do='choose another engine',
            ) from error
        if self._provider == 'tensorrt':
            self._open(folder)  # builds the TensorRT engine in the folder

    def load(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> OnnxRuntimeEngine:
        """See Backend."""
        return OnnxRuntimeEngine(
            self._open(folder), size, uses_disparity=network.uses_disparity, device=self._device,
            description=f'{self.name}, {PRECISION_NAMES[self._precision]}')

    def _check(self) -> None:
        wanted = 'cpu' if self._provider == 'cpu' else 'cuda'
        if self._device.type != wanted:
            raise InferenceError(
                f'device of engine {self.name}', must_be=wanted, got=self._device,
                do='choose that device, or another engine')
        if self._precision != torch.float32 and self._provider != 'tensorrt':
            raise InferenceError(
                f'precision of engine {self.name}', must_be='float32',
                got=PRECISION_NAMES[self._precision], do='choose float32, or another engine')
        found = self._onnxruntime.get_available_providers()
        if PROVIDERS[self._provider] not in found:
            raise InferenceError(
                f'onnxruntime {self._onnxruntime.__version__}',
                must_be=f'built with {PROVIDERS[self._provider]}', got=', '.join(found),
                do='pip install onnxruntime-gpu in place of onnxruntime, or choose another engine')

    def _open(self, folder: Path) -> Any:
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._num_threads
        # Spinning threads would take cores from the decoder and the matcher.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            session = self._onnxruntime.InferenceSession(
                folder / _FILE, options, providers=self._providers(folder))
        except _failures(self._onnxruntime) as error:
            raise InferenceError(
                f'exported network {folder}', must_be='as torch wrote it', got=error,
                do='delete that folder and export again',
            ) from error
        if session.get_providers()[0] != PROVIDERS[self._provider]:
            raise InferenceError(
                f'provider of engine {self.name}', must_be=PROVIDERS[self._provider],
                got=session.get_providers()[0],
                do='install the CUDA and TensorRT libraries that onnxruntime names in its log')
        return session

    def _providers(self, folder: Path) -> list[tuple[str, Mapping[str, str]]]:
        index = str(self._device.index or 0)
        cuda = (PROVIDERS['cuda'], {'device_id': index})
        if self._provider == 'cpu':
            return [(PROVIDERS['cpu'], {})]
        if self._provider == 'cuda':
            return [cuda]
        return [(PROVIDERS['tensorrt'], {
            'device_id': index,
            'trt_bf16_enable': str(self._precision == torch.bfloat16),
            'trt_engine_cache_enable': 'True',
            'trt_engine_cache_path': str(folder),
            'trt_timing_cache_enable': 'True',
            'trt_timing_cache_path': str(folder),
        }), cuda]


class OnnxRuntimeEngine(ExportedEngine):
    """Runs an ONNX Runtime session on images of one size.

    Args:
        session: The session.
        size: Size of its images.
        uses_disparity: True if the network needs pixels_per_metre.
        device: Device of the session.
        description: Library and precision.
    """

    def __init__(
        self, session: Any, size: ImageSize, *, uses_disparity: bool, device: torch.device,
        description: str,
    ) -> None:
        super().__init__(description, size, uses_disparity, device)
        self._session = session
        self._input_names = [value.name for value in session.get_inputs()]
        output = session.get_outputs()[0]
        self._output_name, self._shape = output.name, tuple(output.shape)

    def _infer(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        logits = torch.empty(self._shape, device=self._device)
        binding = self._session.io_binding()
        places = [upload(value, self._device) for value in inputs]
        for name, value in zip(self._input_names, places, strict=True):
            kind = np.uint8 if value.dtype == torch.uint8 else np.float32
            binding.bind_input(name, *self._place(value, kind))
        binding.bind_output(self._output_name, *self._place(logits, np.float32))
        if self._device.type == 'cuda':
            # ONNX Runtime uses its own stream, which does not wait for the upload.
            torch.cuda.current_stream(self._device).synchronize()
        self._session.run_with_iobinding(binding)
        return logits

    def _place(self, value: torch.Tensor, kind: type[np.generic]) -> tuple[Any, ...]:
        """Location of a tensor as arguments of an IO binding."""
        index = self._device.index or 0
        return self._device.type, index, kind, tuple(value.shape), value.data_ptr()


def _import_onnxruntime(engine: str) -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise InferenceError(
            'package onnxruntime', must_be=f'installed for engine {engine}', got=error,
            do='pip install onnxruntime onnxscript (on a GPU onnxruntime-gpu onnxscript), or '
               'choose another engine',
        ) from error
    module: ModuleType = onnxruntime
    return module


def _check_exporter() -> None:
    if find_spec('onnxscript') is None:
        raise InferenceError(
            'package onnxscript', must_be='installed to export a network', got='none',
            do='pip install onnxscript, or choose another engine')


def _failures(onnxruntime: ModuleType) -> tuple[type[Exception], ...]:
    """Exceptions of ONNX Runtime; they have no common base class."""
    state = onnxruntime.capi.onnxruntime_pybind11_state
    return tuple(getattr(state, name) for name in _FAILURES if hasattr(state, name))
