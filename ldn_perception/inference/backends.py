# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The backends by name, and the choice of engines to try."""


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


CANDIDATES = {'cpu': ('openvino',), 'cuda': ('tensorrt', 'compiled')}
"""Backends that 'auto' tries, by type of device."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Backends that are exported for and tried.

    Attributes:
        backends: None where torch runs the network.
        is_named: Whether one was asked for by name: it need not be the fastest then.
        reason: Why there are none; '' where there are some, or torch was asked for.
    """

    backends: tuple[Backend, ...]
    is_named: bool = False
    reason: str = ''


def choose_backends(
    wanted: str, device: torch.device, precision: torch.dtype, num_threads: int,
    calibration: CalibrationImages | None = None, *, is_trained: bool,
) -> EngineChoice:
    """Find the backends for a wish.

    Args:
        wanted: 'torch', the name of a backend, or 'auto': what is known to be fast on such a
            device and is installed.
        device: Where the network runs.
        precision: torch.float32 or torch.bfloat16.
        num_threads: CPU threads, at least 1.
        calibration: Images for convolutions in int8; None for none in int8. Torch has no int8.
        is_trained: Whether the network is from a weights file: others are not exported.

    Raises:
        InferenceError: A backend that is asked for by name is not installed, cannot run on the
            device, or the network is untrained; or nothing here computes in int8.
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
