# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: networks on the CPU. The only file that imports it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.calibration import INT8, CalibrationImages
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.exported_engine import ExportedEngine
from ldn_perception.inference.int8_model import VERSION as NNCF_VERSION
from ldn_perception.inference.int8_model import check_int8, quantised
from ldn_perception.inference.precision import PRECISION_NAMES
from ldn_perception.inference.quiet_export import quiet_export
from ldn_perception.inference.resize_matrix import resize_by_matrices

VERSION = '2026.4.1'
"""What the package is tested with."""

_FORMAT = 3
_FILE = 'network.xml'
_PRECISION_HINTS = {torch.float32: 'f32', torch.bfloat16: 'bf16'}


class OpenVinoBackend:
    """Makes engines of OpenVINO's CPU plugin.

    In bfloat16 the whole graph is, with it the sizes that a scale-selecting network is routed by:
    a cell whose size is within 0.4 % of a threshold may be seen at the neighbouring level.

    Args:
        precision: torch.float32 or torch.bfloat16; what is written is float32 for both.
        num_threads: CPU threads of its engines, at least 1.
        calibration: Images for convolutions in int8, all else stays in the precision; None for
            none in int8.

    Raises:
        InferenceError: OpenVINO, or what int8 needs beside it, is not installed.
    """

    name = 'openvino'

    def __init__(
        self, precision: torch.dtype, num_threads: int,
        calibration: CalibrationImages | None = None,
    ) -> None:
        self._openvino = _import_openvino()
        if calibration is not None:
            check_int8()
        self._precision = precision
        self._num_threads = num_threads
        self._calibration = calibration

    @property
    def fingerprint(self) -> str:
        """See Backend."""
        version = self._openvino.get_version().partition('-')[0]
        int8 = ''
        if self._calibration is not None:
            int8 = f'{INT8} for images {self._calibration.digest}, nncf {NNCF_VERSION}, '
        return (f'openvino {version}, {int8}{PRECISION_NAMES[self._precision]}, '
                f'torch {torch.__version__}, format {_FORMAT}')

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """See Backend."""
        inputs = network.example_inputs(size)
        try:
            with quiet_export():
                # OpenVINO's own antialiased interpolation takes five to eight times as long
                program = resize_by_matrices(torch.export.export(network.rewritten(), inputs))
                model = self._openvino.convert_model(program)
        except (RuntimeError, ValueError, TypeError, self._conversion_failure) as error:
            raise InferenceError(
                f'network {type(network.model).__name__}', must_be='one that OpenVINO can convert',
                got=error, do='choose another engine',
            ) from error
        model.reshape({index: list(value.shape) for index, value in enumerate(inputs)})
        if self._calibration is not None:
            model = quantised(model, self._calibration.read(size))
        self._openvino.save_model(model, folder / _FILE, compress_to_fp16=False)

    @property
    def _conversion_failure(self) -> type[Exception]:
        failure: type[Exception] = self._openvino.frontend.OpConversionFailure
        return failure

    def load(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> OpenVinoEngine:
        """See Backend."""
        options = {
            'INFERENCE_PRECISION_HINT': _PRECISION_HINTS[self._precision],
            'INFERENCE_NUM_THREADS': self._num_threads,
            'PERFORMANCE_HINT': 'LATENCY',
            # a thread bound to a core waits for the decoder and the matcher that run on it
            'ENABLE_CPU_PINNING': False,
        }
        try:
            model = _shared_core().compile_model(folder / _FILE, 'CPU', options)
        except RuntimeError as error:
            raise InferenceError(
                f'exported network {folder}', must_be='as OpenVINO wrote it', got=error,
                do='delete that folder and export again',
            ) from error
        arithmetic = PRECISION_NAMES[self._precision] if self._calibration is None else INT8
        return OpenVinoEngine(self._openvino, model, network.uses_disparity, arithmetic)


class OpenVinoEngine(ExportedEngine):
    """Runs a compiled model of OpenVINO on images of one size, one at a time.

    Args:
        openvino: The library.
        model: The compiled model, on the CPU.
        uses_disparity: Whether the network needs pixels_per_metre.
        arithmetic: Name of what it was compiled for.
    """

    def __init__(
        self, openvino: ModuleType, model: Any, uses_disparity: bool, arithmetic: str,
    ) -> None:
        _, height, width, _ = model.input(0).shape
        super().__init__(
            f'openvino, {arithmetic}', ImageSize(width, height), uses_disparity,
            torch.device('cpu'))
        self._shape = tuple(model.output(0).shape)
        self._request = model.create_infer_request()
        self._make_tensor = openvino.Tensor

    def _infer(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        for index, value in enumerate(inputs):
            self._request.set_input_tensor(index, self._share(value))
        logits = torch.empty(self._shape)
        self._request.set_output_tensor(0, self._share(logits))
        self._request.infer()
        return logits

    def _share(self, value: torch.Tensor) -> Any:
        return self._make_tensor(value.numpy(), shared_memory=True)


@cache
def _shared_core() -> Any:
    """The one Core of the process.

    Each gives signal handlers a stack and puts the one before back when it ends, which may be gone
    by then: the next signal would kill the process.
    """
    return _import_openvino().Core()


def _import_openvino() -> ModuleType:
    # Without its package for that OpenVINO does not report its use over the network.
    if 'openvino' not in sys.modules:
        sys.modules['openvino_telemetry'] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise InferenceError(
            'package openvino', must_be='installed for engine openvino', got=error,
            do=f'pip install openvino=={VERSION}, or choose another engine',
        ) from error
    return openvino
