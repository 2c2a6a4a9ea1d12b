# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The backends one can ask for by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.backend import Backend
from ldn_perception.inference.calibration import INT8, CalibrationImages
from ldn_perception.inference.compiled_backend import CompiledBackend
from ldn_perception.inference.onnxruntime_backend import OnnxRuntimeBackend
from ldn_perception.inference.openvino_backend import OpenVinoBackend


def build_backend(
    name: str, device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None = None,
) -> Backend:
    """Build a backend; its library is imported now.

    Args:
        name: One of `BACKEND_NAMES`.
        device: Where its engines run.
        precision: torch.float32 or torch.bfloat16.
        num_threads: CPU threads of its engines, at least 1.
        calibration: Images for convolutions in int8; None for none in int8.

    Raises:
        InferenceError: There is no such backend, its library is not installed, or it cannot run
            on this device in this precision.
    """
    if name not in _BUILDERS:
        raise InferenceError(
            'engine', must_be=f'one of {", ".join(BACKEND_NAMES)}', got=repr(name),
            do='choose one of them')
    if calibration is None:
        return _BUILDERS[name](device, precision, num_threads)
    if name != 'openvino':
        raise InferenceError(
            f'precision of engine {name}', must_be='float32 or bfloat16', got=INT8,
            do='choose engine openvino, or another precision')
    return _build_openvino(device, precision, num_threads, calibration)


def _build_openvino(
    device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None = None,
) -> Backend:
    if device.type != 'cpu':
        raise InferenceError(
            'device of engine openvino', must_be='cpu', got=device,
            do='choose that device, or another engine')
    return OpenVinoBackend(precision, num_threads, calibration)


def _build_onnxruntime(device: torch.device, precision: torch.dtype, num_threads: int) -> Backend:
    return OnnxRuntimeBackend(precision, device, num_threads, device.type)


def _build_tensorrt(device: torch.device, precision: torch.dtype, num_threads: int) -> Backend:
    return OnnxRuntimeBackend(precision, device, num_threads, 'tensorrt')


def _build_compiled(device: torch.device, precision: torch.dtype, _: int) -> Backend:
    return CompiledBackend(precision, device)


_BUILDERS: dict[str, Callable[[torch.device, torch.dtype, int], Backend]] = {
    'openvino': _build_openvino,
    'onnxruntime': _build_onnxruntime,
    'tensorrt': _build_tensorrt,
    'compiled': _build_compiled,
}

BACKEND_NAMES = tuple(_BUILDERS)
"""Choices of `build_backend`."""
