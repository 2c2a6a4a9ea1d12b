# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Use of the hardware: device, precision, memory, transfers and threads.

Transfers: torch keeps freed pinned blocks and gives one out again only when the copies from and to
it are done: nothing here can be overwritten too early, and after the first images nothing is
allocated.
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
    """Device for a wish.

    Args:
        wanted: 'auto' (the GPU where there is one, else the CPU), 'cuda' or 'cpu'.

    Raises:
        InferenceError: 'cuda' is wished and torch sees no GPU.
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
    """Arithmetic for a wish.

    Args:
        wanted: 'float32', 'bfloat16', or 'auto': bfloat16 where the device multiplies it faster,
            in AMX or AVX-512 BF16 instructions of a CPU or the tensor cores of a GPU, else
            float32. 'int8' is auto for all that is not in int8.
        device: Where the network runs.
    """
    if wanted in PRECISIONS:
        return PRECISIONS[wanted]
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device)[0] >= _FIRST_GPU_GENERATION
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _CPU_CAPABILITIES)


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of glibc's mallopt
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let the C library keep the memory of activations instead of giving it back.

    By default glibc returns it to the kernel after every network run, and the next run pays for
    thousands of page faults. Affects the whole process: for main functions only.

    Returns:
        Whether the C library can do so; only glibc can.
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


_ALIGNMENT = 16  # bytes, a multiple of the size of every number


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device.

    Args:
        values: Anything; what is in host memory may be changed as soon as this returns.
        device: Where to; on a GPU work that is queued later finds the values there.

    Returns:
        The same numbers; the very tensor where it is there already.
    """
    if device.type != 'cuda' or values.device.type != 'cpu':
        return values.to(device)
    staged = torch.empty_like(values, pin_memory=True).copy_(values)
    return staged.to(device, non_blocking=True)


def download(planes: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Arrays in host memory, with one wait for all of them.

    Args:
        planes: One or more tensors, all on one device.

    Returns:
        Their numbers, in their order. From a GPU they share one block of memory, which lives as
        long as one of them; from the CPU they are the tensors' own memory.
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
    """Bytes of the block that holds planes, each of them aligned."""
    return sum(map(_aligned_size, planes))


def parts_of_block(block: Tensor, planes: Sequence[Tensor]) -> list[Tensor]:
    """Divide a block among planes.

    Args:
        block: (`block_size(planes)`,) uint8.
        planes: What is to go there.

    Returns:
        Views of the block with their shapes and dtypes.
    """
    parts = block.split([_aligned_size(plane) for plane in planes])
    return [
        part[:plane.nbytes].view(plane.dtype).view(plane.shape)
        for part, plane in zip(parts, planes, strict=True)]


def _aligned_size(plane: Tensor) -> int:
    return -(-plane.nbytes // _ALIGNMENT) * _ALIGNMENT


_PARTS_PER_THREAD = 4


class RowWorkers:
    """Runs compiled work on parts of a range; the calling thread takes its share.

    Not OpenMP: a second team of its threads would slow every layer of torch's networks.

    Args:
        num_threads: Threads, the calling one among them, >= 1.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(max(1, num_threads - 1), 'rows')

    def share(self, work: Callable[[int, int], None], size: int) -> None:
        """Call work(first, last) for parts that together make range(size).

        Args:
            work: Releases the interpreter lock; parts may run at the same time.
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
