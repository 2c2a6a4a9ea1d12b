# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO backend for the CPU, with int8 by NNCF."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
import io
import logging
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.export import ExportedProgram

from ldn_perception.errors import InferenceError
from ldn_perception.hardware import PRECISION_NAMES
from ldn_perception.inference.calibration import INT8, CalibrationImages
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import ExportedEngine, quiet_export

VERSION = '2026.4.1'
"""Tested version of OpenVINO."""

_FORMAT = 3
_FILE = 'network.xml'
_PRECISION_HINTS = {torch.float32: 'f32', torch.bfloat16: 'bf16'}


class OpenVinoBackend:
    """Backend of OpenVINO's CPU plugin.

    In bfloat16 the whole graph is in bfloat16, including the sizes that route a scale-selecting
    network: a cell whose size is within 0.4 % of a threshold may use the neighbouring level.

    Args:
        precision: torch.float32 or torch.bfloat16; the exported file is float32 for both.
        num_threads: CPU threads of its engines, at least 1.
        calibration: Calibration images for int8 convolutions, with everything else in `precision`;
            None for no int8.

    Raises:
        InferenceError: OpenVINO is not installed, or NNCF for int8.
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
                # OpenVINO's own antialiased interpolation takes five to eight times as long.
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
            # A pinned thread would wait for the decoder and the matcher on its core.
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
    """Runs a compiled OpenVINO model on images of one size, one at a time.

    Args:
        openvino: The library.
        model: The compiled model, on the CPU.
        uses_disparity: True if the network needs pixels_per_metre.
        arithmetic: Name of its precision.
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
    """Return the only Core of the process.

    Each Core installs a signal-handler stack and restores the previous one when it is destroyed.
    That stack may be freed by then, and the next signal would kill the process.
    """
    return _import_openvino().Core()


def _import_openvino() -> ModuleType:
    # Without its telemetry package, OpenVINO does not report its use over the network.
    if 'openvino' not in sys.modules:
        sys.modules['openvino_telemetry'] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise InferenceError(
            'package openvino', must_be='installed for engine openvino', got=error,
            do=f'pip install openvino=={VERSION}, or choose another engine',
        ) from error
    module: ModuleType = openvino
    return module


def resize_by_matrices(program: ExportedProgram) -> ExportedProgram:
    """Replace the antialiased resizes of a program by products with constant matrices."""
    resized: ExportedProgram = program.run_decompositions(
        {torch.ops.aten._upsample_bilinear2d_aa.vec: _resize})
    return resized


def resize_matrix(num_in: int, num_out: int) -> Tensor:
    """Matrix that resizes one axis of an image.

    Rows and columns are resized one after the other: R image C^T. The result is torch's bilinear
    interpolation with antialias and without align_corners: a weighted mean around the centre of
    each pixel, with weights that decrease linearly to zero at a distance of one pixel of the
    coarser grid.

    Args:
        num_in: Input pixels along the axis.
        num_out: Output pixels, at least 1.

    Returns:
        (num_out, num_in) float32, rows sum to 1.
    """
    step = num_in / num_out
    pixels = torch.arange(num_in, dtype=torch.float64) + 0.5
    centres = (torch.arange(num_out, dtype=torch.float64) + 0.5) * step
    weights = (1 - (pixels - centres[:, None]).abs() / max(1.0, step)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def _resize(image: Tensor, size: Sequence[int], align_corners: bool, _: object = None) -> Tensor:
    assert not align_corners
    rows, columns = (
        resize_matrix(*sides).to(image) for sides in zip(image.shape[-2:], size, strict=True))
    return rows @ image @ columns.T


NNCF_VERSION = '3.4.0'
"""Tested version of NNCF."""


def check_int8() -> None:
    """Check that `quantised` can be called, without the slow import of NNCF.

    Raises:
        InferenceError: NNCF is not installed.
    """
    if find_spec('nncf') is None:
        raise InferenceError(
            'package nncf', must_be='installed for precision int8', got='no such package',
            do=f'pip install nncf=={NNCF_VERSION}, or choose bfloat16')


def quantised(model: Any, images: Iterable[NDArray[np.uint8]]) -> Any:
    """Quantise convolutions to int8: one scale per weight channel, one per activation tensor.

    Args:
        model: openvino.Model with one input, (1, H, W, 3) uint8.
        images: Representative inputs, each (1, H, W, 3) uint8; they determine the ranges.

    Returns:
        A new openvino.Model with the same outputs.
    """
    with redirect_stdout(io.StringIO()):  # hides a progress bar per step
        import nncf
        logging.getLogger('nncf').setLevel(logging.ERROR)
        samples = list(images)
        return nncf.quantize(
            model, nncf.Dataset(samples), subset_size=len(samples),
            preset=nncf.QuantizationPreset.MIXED)
