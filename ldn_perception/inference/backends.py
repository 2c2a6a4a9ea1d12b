# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of backends, and the choice of engines to try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.calibration import INT8, CalibrationImages
from ldn_perception.inference.compiled_backend import CompiledBackend
from ldn_perception.inference.engine import Backend
from ldn_perception.inference.onnxruntime_backend import OnnxRuntimeBackend
from ldn_perception.inference.openvino_backend import OpenVinoBackend


def build_backend(
    name: str, device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None = None,
) -> Backend:
    """Build a backend, importing its library.

    Args:
        name: One of `BACKEND_NAMES`.
        device: Device of its engines.
        precision: torch.float32 or torch.bfloat16.
        num_threads: CPU threads of its engines, at least 1.
        calibration: Calibration images for int8 convolutions; None for no int8.

    Raises:
        InferenceError: The name is unknown, the library is not installed, or it does not support
            the device or the precision.
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
"""Names accepted by `build_backend`."""


CANDIDATES = {'cpu': ('openvino',), 'cuda': ('tensorrt', 'compiled')}
"""Backends tried by 'auto', by device type."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Backends to export for and to try.

    Attributes:
        backends: Candidate backends; empty if torch runs the network.
        is_named: True if a backend was requested by name: it need not be the fastest.
        reason: Reason for having no backends; '' if there are some or torch was requested.
    """

    backends: tuple[Backend, ...]
    is_named: bool = False
    reason: str = ''


def choose_backends(
    wanted: str, device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None = None, *, is_trained: bool,
) -> EngineChoice:
    """Choose the backends for an engine option.

    Args:
        wanted: 'torch', the name of a backend, or 'auto' for installed backends known to be fast
            on the device.
        device: Device of the network.
        precision: torch.float32 or torch.bfloat16.
        num_threads: CPU threads, at least 1.
        calibration: Calibration images for int8 convolutions; None for no int8. Torch has no int8.
        is_trained: True if the network is from a weights file; others are not exported.

    Raises:
        InferenceError: A backend requested by name is not installed or does not support the
            device, or the network is untrained; or no backend here supports int8.
    """
    if wanted == 'torch':
        if calibration is not None:
            raise _no_int8('torch')
        return EngineChoice(())
    if wanted == 'auto':
        if not is_trained:
            return EngineChoice((), reason='untrained networks are not exported')
        return _find_installed(device, precision, num_threads, calibration)
    if not is_trained:
        raise InferenceError(
            'inference.engine', must_be='torch or auto for a network without weights',
            got=wanted, do='name a weights file in model.weights, or choose torch')
    return EngineChoice(
        (build_backend(wanted, device, precision, num_threads, calibration),), is_named=True)


def _find_installed(
    device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None,
) -> EngineChoice:
    backends, reasons = [], []
    for name in CANDIDATES[device.type]:
        try:
            backends.append(build_backend(name, device, precision, num_threads, calibration))
        except InferenceError as error:
            reasons.append(str(error))
    if calibration is not None and not backends:
        raise _no_int8('; '.join(reasons))
    return EngineChoice(tuple(backends), reason='' if backends else '; '.join(reasons))


def _no_int8(got: str) -> InferenceError:
    return InferenceError(
        f'engine for precision {INT8}', must_be='openvino, on a CPU', got=got,
        do='set inference.engine to openvino and inference.device to cpu, or another precision')
