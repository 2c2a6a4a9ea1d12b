# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Between host and GPU by way of pinned memory, which the GPU reads and writes by itself.

torch keeps freed pinned blocks and gives one out again only when the copies from and to it are
done: nothing here can be overwritten too early, and after the first images nothing is allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

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
