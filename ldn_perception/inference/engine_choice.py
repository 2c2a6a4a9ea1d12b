# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which engines come into question."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.backend import Backend
from ldn_perception.inference.backends import build_backend
from ldn_perception.inference.calibration import INT8, CalibrationImages

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
