# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Antialiased resizing as matrix products, for libraries whose own is slow or missing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.export import ExportedProgram


def resize_by_matrices(program: ExportedProgram) -> ExportedProgram:
    """The same program with its antialiased resizes as products with constant matrices."""
    return program.run_decompositions(
        {torch.ops.aten._upsample_bilinear2d_aa.vec: _resize})


def resize_matrix(num_in: int, num_out: int) -> Tensor:
    """What one axis of an image is multiplied by to be resized.

    Rows and columns are resized one after the other: R image C^T. It is torch's bilinear
    interpolation with antialias and without align_corners: each pixel is the mean of those around
    its centre, with weights that fall linearly to zero one pixel of the coarser grid away.

    Args:
        num_in: Pixels along the axis.
        num_out: Pixels wanted, at least 1.

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
