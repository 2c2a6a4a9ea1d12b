# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the network can run, and where."""

from __future__ import annotations

from ldn_perception.config import InferenceConfig, ModelConfig
from ldn_perception.diagnosis.finding import Finding, error, error_of, ok, warning
from ldn_perception.diagnosis.machine import Gpus, Machine


def check_gpu(gpus: Gpus, config: InferenceConfig) -> Finding:
    """Check that torch can use the GPU the configuration wants."""
    seen = ', '.join(gpus.names)
    if gpus.num_seen_by_torch:
        return ok('GPU', f'{seen or "a GPU"}, driver {gpus.driver or "unknown"}, '
                         f'torch for CUDA {gpus.torch_cuda or "unknown"}')
    if config.device == 'cpu':
        return ok('GPU', 'not wanted: inference.device is cpu')
    if gpus.names:
        return _unusable(gpus, seen)
    if config.device == 'cuda':
        return error(
            'GPU', 'inference.device is cuda, and there is no NVIDIA GPU',
            'set inference.device to auto or cpu, or install the driver of the GPU')
    return warning(
        'GPU', 'no NVIDIA GPU: the network runs on the CPU',
        'set inference.device to cpu to accept that; else install the driver, or give the '
        'container the GPU (--gpus all)')


def _unusable(gpus: Gpus, seen: str) -> Finding:
    if not gpus.torch_cuda:
        return error(
            'GPU', f'{seen}, but torch is a CPU build',
            'run make clean environment: it installs the CUDA build where nvidia-smi finds a GPU')
    if gpus.driver_cuda and _numbers(gpus.driver_cuda)[0] < _numbers(gpus.torch_cuda)[0]:
        return error(
            'GPU', f'{seen}: driver {gpus.driver} serves CUDA {gpus.driver_cuda}, torch is for '
            f'CUDA {gpus.torch_cuda}',
            'update the driver, or install a torch that is built for its CUDA')
    return error(
        'GPU', f'{seen}, driver {gpus.driver or "unknown"}, but torch for CUDA {gpus.torch_cuda} '
        'cannot use it',
        'look at nvidia-smi and CUDA_VISIBLE_DEVICES; give a container the GPU (--gpus all)')


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split('.') if number.isdigit()) or (0,)


def check_bfloat16(machine: Machine, config: InferenceConfig) -> Finding:
    """Check that the arithmetic suits the CPU, where the network runs on it."""
    check = 'CPU bfloat16'
    if machine.gpus.num_seen_by_torch and config.device != 'cpu':
        return ok(check, 'not needed: the network runs on the GPU')
    if machine.has_cpu_bfloat16:
        return ok(check, 'the CPU has instructions for it')
    if config.precision == 'bfloat16':
        return warning(
            check, 'the CPU has no instructions for it and emulates them slowly',
            'set inference.precision to auto')
    return ok(check, 'the CPU has no instructions for it: float32 is taken')


def check_weights(machine: Machine, config: ModelConfig) -> Finding:
    """Check that the weights of the configured model can be loaded."""
    check, weights = 'weights', machine.weights
    if weights.problem:
        return error_of(check, weights.problem)
    if not weights.path:
        return warning(
            check, f'UNTRAINED: {config.name} with taxonomy {config.taxonomy} runs with random '
            'weights, its labels mean nothing',
            'set model.weights to a file of ldn train or ldn weights convert, or model.name and '
            'model.taxonomy to ones with shipped weights (docs/weights.md)')
    return ok(check, f'{config.name}, {config.taxonomy}: {weights.path}')
