# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exporting without warnings that no user can do anything about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import logging
import warnings

_LOGGER = 'torch.onnx._internal.exporter._registration'


@contextmanager
def quiet_export() -> Iterator[None]:
    """Keep torch from telling that its exporter uses what it will lose, or misses torchvision."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
