# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks without values: shapes go through them, nothing is computed."""

from functools import cache

import torch

from ldn_perception.models.registry import MODELS

NUM_CLASSES = 5


@cache
def meta_network(name):
    """A registered network of NUM_CLASSES in evaluation mode; built once for all tests."""
    with torch.device('meta'):
        return MODELS[name](NUM_CLASSES).eval()
