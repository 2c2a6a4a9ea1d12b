# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of weights files: entries of the header, values and checksum of the tensors."""


from __future__ import annotations

from collections.abc import Callable, Mapping
import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldn_perception.errors import ModelError

_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})


def check_header_fields(path: Path, fields: Mapping[str, Any]) -> None:
    """Check type, length and range of every entry of a header.

    Args:
        path: The weights file, for errors.
        fields: The header as JSON gives it.

    Raises:
        KeyError: An entry is missing.
        ModelError: An entry is out of its range.
    """
    number_of_classes = len(fields['class_names']) if _is_list(fields['class_names']) else 0
    for name, must_be, is_met in _RULES:
        value = fields[name]
        if not is_met(value):
            raise ModelError(
                f'{name} of weights file {path}', must_be=must_be, got=_shortened(value),
                do='copy or convert the file again')
    if fields['class_colors'] and len(fields['class_colors']) != number_of_classes:
        raise ModelError(
            f'class_colors of weights file {path}',
            must_be=f'one for each of the {number_of_classes} classes, or none',
            got=len(fields['class_colors']), do='copy or convert the file again')
    checksum = fields.get('tensors_sha256', '')
    if not isinstance(checksum, str):
        raise ModelError(
            f'tensors_sha256 of weights file {path}', must_be='a text', got=_shortened(checksum),
            do='copy or convert the file again')


def tensors_checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of tensors, in the order of their names.

    Args:
        tensors: Tensors in host memory by name.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f'{name}\n{value.dtype}\n{tuple(value.shape)}\n'.encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_tensor(what: str, name: str, value: Tensor) -> None:
    """Check that a tensor is finite, of a usual dtype, and not negative if it is a variance.

    Args:
        what: Description of the tensor, for errors.
        name: Its name in the network.
        value: The tensor.

    Raises:
        ModelError: It is not.
    """
    if not (value.is_floating_point() or value.is_complex()):
        return
    if value.dtype not in _FLOATS:
        raise ModelError(
            what, must_be='of 16, 32 or 64 bit floating point', got=value.dtype,
            do='convert it again')
    number = int((~value.isfinite()).sum())
    if number:
        raise ModelError(
            what, must_be='finite', got=f'NaN or infinity in {number} of {value.numel()} values',
            do='use weights of a training that converged, or copy the file again')
    if name.rpartition('.')[2] == 'running_var' and bool((value < 0).any()):
        raise ModelError(
            what, must_be='variances >= 0', got=float(value.min()),
            do='use weights of a training that converged, or copy the file again')


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_triple(value: Any, is_met: Callable[[Any], bool]) -> bool:
    return _is_list(value) and len(value) == 3 and all(map(is_met, value))


def _is_level(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


_RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ('model_name', 'a text that is not empty',
     lambda value: isinstance(value, str) and bool(value)),
    ('class_names', 'a list of texts',
     lambda value: _is_list(value) and all(isinstance(name, str) for name in value)),
    ('class_colors', 'a list of colours, each three integers in [0, 255]',
     lambda value: _is_list(value) and all(_is_triple(rgb, _is_level) for rgb in value)),
    ('image_mean', 'three finite numbers', lambda value: _is_triple(value, _is_number)),
    ('image_std', 'three finite numbers > 0',
     lambda value: _is_triple(value, lambda std: _is_number(std) and std > 0)),
    ('ood_threshold', 'a number in [0, 1], or null',
     lambda value: value is None or (_is_number(value) and 0 <= value <= 1)),
    ('summary', 'an object', lambda value: isinstance(value, dict)),
)
"""Entry of the header, what it must be, and the check."""
