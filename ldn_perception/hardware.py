# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Hardware: device, precision, memory, transfers and threads.

Transfers use torch's pool of pinned memory. Torch reuses a freed pinned block only after the
copies from and to it are complete, so no data is overwritten too early. After the first images,
no memory is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import ctypes
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.errors import InferenceError


def choose_device(wanted: str) -> torch.device:
    """Resolve a device string.

    Args:
        wanted: 'auto' (the GPU if there is one, else the CPU), 'cuda' or 'cpu'.

    Raises:
        InferenceError: 'cuda' is requested and torch sees no GPU.
    """
    has_gpu = torch.cuda.is_available()
    if wanted == 'cuda' and not has_gpu:
        raise InferenceError(
            'inference.device', must_be='a device torch can use',
            got=f'cuda, and torch {torch.__version__} sees no GPU',
            do='install the GPU driver and the CUDA build of torch, or choose auto or cpu',
        )
    return torch.device('cuda' if has_gpu and wanted != 'cpu' else 'cpu')


PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}

PRECISION_NAMES = {dtype: name for name, dtype in PRECISIONS.items()}

_CPU_CAPABILITIES = ('amx_bf16', 'avx512_bf16')
_FIRST_GPU_GENERATION = 8  # Ampere


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Resolve a precision string.

    Args:
        wanted: 'float32', 'bfloat16' or 'auto': bfloat16 if the device multiplies it faster, by
            AMX or AVX-512 BF16 instructions of a CPU or tensor cores of a GPU, else float32.
            'int8' resolves like 'auto', for the parts of a network that are not int8.
        device: Device of the network.
    """
    if wanted in PRECISIONS:
        return PRECISIONS[wanted]
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device)[0] >= _FIRST_GPU_GENERATION
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _CPU_CAPABILITIES)


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # parameters of glibc's mallopt
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory instead of returning it to the kernel.

    By default glibc returns the memory of activations after every network run, and the next run
    pays for thousands of page faults. This affects the whole process: call it only from main
    functions.

    Returns:
        True if the C library supports it; only glibc does.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all((
        mallopt(_ARENA_MAX, 1),
        mallopt(_MMAP_THRESHOLD, _KEEP_BYTES),
        mallopt(_TRIM_THRESHOLD, _KEEP_BYTES),
    ))


_ALIGNMENT = 16  # bytes, a multiple of the size of every dtype


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Copy values to a device.

    Args:
        values: Any tensor; one in host memory may be changed as soon as this returns.
        device: Target; work queued later on a GPU sees the copied values.

    Returns:
        The same values; the input tensor itself if it is already on the device.
    """
    if device.type != 'cuda' or values.device.type != 'cpu':
        return values.to(device)
    staged = torch.empty_like(values, pin_memory=True).copy_(values)
    return staged.to(device, non_blocking=True)


def download(planes: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Copy tensors to arrays in host memory, with a single synchronisation.

    Args:
        planes: One or more tensors, all on one device.

    Returns:
        Arrays in the same order. Copies from a GPU share one block of memory, which lives as
        long as any of them; CPU tensors share memory with their arrays.
    """
    device = planes[0].device
    if device.type != 'cuda':
        return [np.asarray(plane.cpu().numpy()) for plane in planes]
    block = torch.empty(block_size(planes), dtype=torch.uint8, pin_memory=True)
    copies = parts_of_block(block, planes)
    for copy, plane in zip(copies, planes, strict=True):
        copy.copy_(plane, non_blocking=True)
    torch.cuda.current_stream(device).synchronize()
    return [np.asarray(copy.numpy()) for copy in copies]


def block_size(planes: Sequence[Tensor]) -> int:
    """Size in bytes of the block that holds the planes, each of them aligned."""
    return sum(map(_aligned_size, planes))


def parts_of_block(block: Tensor, planes: Sequence[Tensor]) -> list[Tensor]:
    """Divide a block among planes.

    Args:
        block: (`block_size(planes)`,) uint8.
        planes: Tensors whose shapes and dtypes the parts take.

    Returns:
        Views of the block with these shapes and dtypes.
    """
    parts = block.split([_aligned_size(plane) for plane in planes])
    return [
        part[:plane.nbytes].view(plane.dtype).view(plane.shape)
        for part, plane in zip(parts, planes, strict=True)]


def _aligned_size(plane: Tensor) -> int:
    return -(-plane.nbytes // _ALIGNMENT) * _ALIGNMENT


_PARTS_PER_THREAD = 4


class RowWorkers:
    """Thread pool that runs compiled work on parts of a range; the calling thread takes part.

    It does not use OpenMP: a second team of OpenMP threads would slow every layer of torch's
    networks.

    Args:
        num_threads: Number of threads including the calling one, >= 1.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(max(1, num_threads - 1), 'rows')

    def share(self, work: Callable[[int, int], None], size: int) -> None:
        """Call work(first, last) for parts that together make range(size).

        Args:
            work: Function that releases the interpreter lock; parts may run in parallel.
            size: End of the range, >= 0.
        """
        num_parts = min(size, _PARTS_PER_THREAD * self._num_threads)
        bounds = np.linspace(0, size, num_parts + 1).astype(int).tolist()
        parts = iter(list(pairwise(bounds)))
        helpers = [
            self._pool.submit(_take, work, parts) for _ in range(self._num_threads - 1)]
        _take(work, parts)
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def _take(work: Callable[[int, int], None], parts: Iterator[tuple[int, int]]) -> None:
    for first, last in parts:
        work(first, last)
