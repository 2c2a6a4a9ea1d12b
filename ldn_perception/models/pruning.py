# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pruning of backbone units, to see how early each class is recognised.

A unit is disabled by zeroing its contribution: the new channels of a dense unit, the residual
branch of a residual unit, both in a dual path unit. Transitions and shortcut projections stay, so
the network still runs with every unit of every block disabled. Nothing is retrained.

Source: thesis section 4.6.6 and Figure 4.13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet, DenseUnit
from ldn_perception.models.ldn import LadderDenseNet
from ldn_perception.models.resnet import DualPathNet, DualPathUnit, ResNet, last_norm

T = TypeVar('T')


def units_per_block(model: LadderDenseNet) -> tuple[int, ...]:
    """Count the units in each block (stage) of a model's backbone, finest first.

    The two halves of a split dense block count as two.

    Raises:
        ModelError: The backbone is not a DenseNet, ResNet or DualPathNet.
    """
    return tuple(len(block) for block in _contributions(model))


@contextmanager
def disable_units(model: LadderDenseNet, block: int, from_unit: int) -> Iterator[None]:
    """Zero the output of a unit and of all later units in its block, within the context.

    Args:
        model: A network with a DenseNet, a ResNet or a DualPathNet.
        block: Index into `units_per_block`.
        from_unit: First disabled unit; the number of units in the block disables none.

    Raises:
        ModelError: The block or unit does not exist, or the backbone is of another kind.
    """
    units = _choose('block', block, _contributions(model))
    if not 0 <= from_unit <= len(units):
        raise ModelError(
            'from_unit', must_be=f'0 to {len(units)} in block {block}', got=from_unit,
            do='count the units with units_per_block',
        )
    with ExitStack() as hooks:
        for unit in units[from_unit:]:
            hooks.callback(unit.register_forward_hook(_zero).remove)
        yield


def pruning_curve(
    model: LadderDenseNet, block: int, evaluate: Callable[[nn.Module], T]
) -> list[T]:
    """Evaluate a model with an increasing number of disabled units, from the end of the backbone.

    Units are disabled one by one from the end of the last block, then of the block before it,
    down to the first unit of `block`. Figure 4.13 prunes the last two blocks.

    Args:
        model: A network with a DenseNet, a ResNet or a DualPathNet; it is restored afterwards.
        block: Finest block to prune, index into `units_per_block`.
        evaluate: Called with the model for every number of disabled units. The caller sets the
            mode (training or evaluation).

    Returns:
        Results of `evaluate` with 0, 1, 2, … units disabled.

    Raises:
        ModelError: The block does not exist, or the backbone is of another kind.
    """
    sizes = units_per_block(model)
    _choose('block', block, sizes)
    results = [evaluate(model)]
    with ExitStack() as disabled:
        for index in range(len(sizes) - 1, block - 1, -1):
            for from_unit in range(sizes[index] - 1, -1, -1):
                with disable_units(model, index, from_unit):
                    results.append(evaluate(model))
            disabled.enter_context(disable_units(model, index, 0))
    return results


def _choose(what: str, index: int, items: tuple[T, ...]) -> T:
    if not 0 <= index < len(items):
        raise ModelError(
            what, must_be=f'0 to {len(items) - 1} for this backbone', got=index,
            do='count the blocks with units_per_block',
        )
    return items[index]


def _contributions(model: LadderDenseNet) -> tuple[list[nn.Module], ...]:
    backbone = model.backbone
    if isinstance(backbone, DenseNet):
        return tuple(_adding_modules(block) for block in backbone.blocks)
    if isinstance(backbone, ResNet):
        return tuple([last_norm(unit) for unit in stage.children()] for stage in backbone.stages)
    if isinstance(backbone, DualPathNet):
        return tuple(_adding_modules(stage) for stage in backbone.stages)
    raise ModelError(
        'backbone', must_be='a DenseNet, ResNet or DualPathNet', got=type(backbone).__name__,
        do='prune a network that has one of these',
    )


def _adding_modules(block: nn.Module) -> list[nn.Module]:
    adding: list[nn.Module] = []
    for unit in block.modules():
        if isinstance(unit, DenseUnit):
            adding.append(unit)
        elif isinstance(unit, DualPathUnit):
            adding.append(unit.expand)
    return adding


def _zero(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return torch.zeros_like(output)
