# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save from elsewhere: read as data, never as code."""

from __future__ import annotations

from pathlib import Path
import pickle

import torch

UNREADABLE = (
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, OverflowError, pickle.UnpicklingError,
)
"""What torch raises for files that are damaged or something else altogether."""


def load_torch_file(path: Path) -> object:
    """What torch.save has written, on the CPU; anything but data in it is refused.

    Raises:
        Exception: One of `UNREADABLE`; `unreadable_reason` says it in a few words.
    """
    return torch.load(path, map_location='cpu', weights_only=True)


def unreadable_reason(error: BaseException) -> str:
    """First line of an error of torch, without its advice to run whatever code the file holds."""
    if isinstance(error, pickle.UnpicklingError):
        return 'a damaged file, or one that holds more than tensors'
    return str(error).partition('\n')[0] or type(error).__name__
