# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Peak arithmetic throughput of a device in large matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from interleaved import Times
import torch
from torch.nn import functional as F

from ldn_perception.hardware import PRECISIONS

_SIDES = {'cpu': 1024, 'cuda': 8192}
_ROWS = 4096


class MatrixPeak:
    """Large products in each precision, as matrix products and as 1x1 and 3x3 convolutions.

    Libraries differ in which of the three forms is fastest; the fastest is the peak.

    Args:
        device: Device of the products.

    Attributes:
        calls: Calls by name, to be timed together with the work they are compared with.
    """

    def __init__(self, device: torch.device) -> None:
        side = _SIDES[device.type]
        self.calls: dict[str, partial[torch.Tensor]] = {}
        self._operations: dict[str, float] = {}
        for precision, dtype in PRECISIONS.items():
            like = {'dtype': dtype, 'device': device}
            rows, square = torch.ones(_ROWS, side, **like), torch.ones(side, side, **like)
            image = rows.T.reshape(1, side, 64, 64).contiguous(memory_format=torch.channels_last)
            narrow = image[:, :side // 4].contiguous(memory_format=torch.channels_last)
            kernels = torch.ones(side // 4, side // 4, 3, 3, **like).contiguous(
                memory_format=torch.channels_last)
            operations = 2.0 * _ROWS * side * side
            self._add(precision, 'product', operations, partial(torch.matmul, rows, square))
            self._add(precision, '1x1', operations, partial(
                F.conv2d, image, square[..., None, None]))
            self._add(precision, '3x3', operations * 9 / 16, partial(
                F.conv2d, narrow, kernels, padding=1))

    def _add(
        self, precision: str, form: str, operations: float, call: partial[torch.Tensor],
    ) -> None:
        self.calls[f'{precision} {form}'] = call
        self._operations[f'{precision} {form}'] = operations

    def giga_per_second(self, times: Mapping[str, Times]) -> dict[str, float]:
        """Peak of each precision, from the shortest times of the calls [GFLOP/s]."""
        return {
            precision: max(
                operations / times[name].min_ms / 1e6
                for name, operations in self._operations.items() if name.startswith(precision))
            for precision in PRECISIONS
        }
