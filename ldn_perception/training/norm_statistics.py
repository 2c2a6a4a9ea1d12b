# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm statistics as exact averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Batch = TypeVar('Batch')


def average_norm_statistics(
    model: nn.Module, run: Callable[[Batch], object], batches: Iterable[Batch]
) -> None:
    """Replace decayed averages by the mean over batches, each counting the same.

    Args:
        model: The network; its mode is as before afterwards.
        run: Sends a batch through it.
        batches: What to average over.

    Source: thesis section 4.6.1.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # of torch: the cumulative average
    with torch.no_grad():
        for batch in batches:
            run(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
