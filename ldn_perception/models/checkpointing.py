# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Gradient checkpointing: about a fifth of the memory at four fifths of the speed.

A segment keeps only its inputs; its intermediate tensors are recomputed in the backward pass. The
segments are those of Table 4.11. A checkpointed module keeps its class (as a subclass), its
position and the names of its weights. Without gradients nothing changes.

Batch norms in a segment process every batch twice. `NormUpdates` selects how their running
statistics are updated.

The remaining memory is mostly the loss at image resolution. `sum_over_images` turns that into
segments too.

Source: thesis sections 4.5 and 4.6.7, Figure 4.4 and Table 4.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
import enum
from functools import cache
import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseBlock, DenseUnit, Stem, TransitionDown
from ldn_perception.models.ldn import TransitionUp
from ldn_perception.models.resnet import SmallStem, StagedBackbone


class Segment(enum.Enum):
    """Layers that are recomputed together, in the notation of Table 4.11.

    BLOCK is a dense block, or a unit of a backbone that has no dense blocks.
    """

    GROW = '(3x3)'
    CAT_REDUCE = '(cat 1x1)'
    CAT_UNIT = '(cat 1x1 3x3)'
    BLOCK = '(block)'
    STEM = '(stem)'
    TRANSITION_DOWN = '(TD)'
    TRANSITION_UP = '(UP)'


_AROUND_BLOCKS = (Segment.STEM, Segment.TRANSITION_DOWN, Segment.TRANSITION_UP)

CHECKPOINT_PLANS: dict[str, tuple[Segment, ...]] = {
    'none': (),
    '3x3': (Segment.GROW,),
    'cat_1x1': (Segment.CAT_REDUCE,),
    'cat_1x1_and_3x3': (Segment.CAT_REDUCE, Segment.GROW),
    'block_stem_td_up': (Segment.BLOCK, *_AROUND_BLOCKS),
    'cat_1x1_3x3': (Segment.CAT_UNIT,),
    'cat_1x1_3x3_stem_td_up': (Segment.CAT_UNIT, *_AROUND_BLOCKS),
}
"""Name -> segments, in the order of Table 4.11; the last needs the least memory.

Layers around the blocks (stem, TD, UP) that a network does not have are ignored.
"""


class NormUpdates(enum.Enum):
    """Number of running-statistics updates per training step for batch norms in a segment.

    Attributes:
        ONCE: In the forward pass only. Statistics and num_batches_tracked are exactly those of
            the model without checkpointing, whether or not a backward pass follows.
        TWICE: In the forward pass and again in the recomputation, both with the smaller momentum
            of `half_momentum`, as in the authors' code. Statistics are the same up to rounding
            if one backward pass follows each forward pass; num_batches_tracked counts both.
    """

    ONCE = 'once'
    TWICE = 'twice'


def half_momentum(momentum: float) -> float:
    """Momentum m' for which two updates with the same batch equal one update with m.

    Two updates keep (1 - m')² of the old statistics, one keeps 1 - m. So m' = 1 - sqrt(1 - m),
    the root in [0, 1] of -x² + 2x - m: 0.05132 for torch's default of 0.1.

    Args:
        momentum: m, in [0, 1].
    """
    return 1 - math.sqrt(1 - momentum)


def checkpoint_model(
    model: nn.Module, plan: str, norm_updates: NormUpdates = NormUpdates.ONCE
) -> None:
    """Checkpoint the segments of a model, in place.

    Each call replaces the previous plan; plan 'none' restores the model. Gradients are the same
    with every plan.

    Args:
        model: A network with dense blocks; for the block plan, any ladder network.
        plan: One of `CHECKPOINT_PLANS`.
        norm_updates: Updates of the running statistics inside segments.

    Raises:
        ModelError: The plan is unknown, the model has none of its units or blocks, or a batch
            norm that would be updated twice uses a cumulative average (momentum None).
    """
    if plan not in CHECKPOINT_PLANS:
        raise ModelError(
            'checkpointing plan', must_be=f'one of {", ".join(CHECKPOINT_PLANS)}', got=repr(plan),
            do='choose one of them',
        )
    segments = CHECKPOINT_PLANS[plan]
    if segments and not _find_mixins(model, segments[0]):
        raise ModelError(
            'model', must_be=f'a network with segments {segments[0].value}',
            got=type(model).__name__, do="choose the plan 'none' for this network",
        )
    mixins = [found for segment in segments for found in _find_mixins(model, segment)]
    if norm_updates is NormUpdates.TWICE:
        _check_momenta([module for module, mixin in mixins if mixin is not _ListingBlock])
    _restore(model)
    for module, mixin in mixins:
        _mix_in(module, mixin, norm_updates)


def sum_over_images(
    function: Callable[..., Tensor], logits: Tensor, *others: Tensor
) -> Tensor:
    """Sum a function over the images of a batch, with the buffers of one image at a time.

    Logits upsampled to the image, their softmax and the gradients of both need as much memory as
    a whole checkpointed network. Here each call of the function is a segment that is recomputed
    in the backward pass, so these buffers exist for one image at a time. For a mean, divide the
    sum by the number of images or of labelled pixels.

    Args:
        function: Maps logits (1, C, h, w) and one image's slice of each of `others` to a scalar,
            for example cross-entropy with reduction='sum' after upsampling.
        logits: (N, C, h, w).
        others: Other inputs with one entry per image, such as labels (N, H, W).
    """
    slices = zip(*(batch.split(1) for batch in (logits, *others)), strict=True)
    if not torch.is_grad_enabled():
        return torch.stack([function(*image) for image in slices]).sum()
    return torch.stack([
        checkpoint(function, *image, use_reentrant=False) for image in slices
    ]).sum()


def _find_mixins(model: nn.Module, segment: Segment) -> list[tuple[nn.Module, type[_Mixin]]]:
    found: list[tuple[nn.Module, type[_Mixin]]] = []
    for module in model.modules():
        if segment in _WHOLE_MODULES and isinstance(module, _WHOLE_MODULES[segment]):
            found.append((module, _Recomputed))
        elif segment is Segment.BLOCK and isinstance(module, StagedBackbone):
            found += [(unit, _Recomputed) for unit in module.units()]
        elif segment is Segment.GROW and isinstance(module, DenseUnit):
            found.append((module.grow, _Recomputed))
        elif segment is Segment.CAT_REDUCE and isinstance(module, DenseUnit):
            found.append((module.reduce, _RecomputedAfterCat))
        elif segment is Segment.CAT_UNIT and isinstance(module, DenseUnit):
            found.append((module, _RecomputedAfterCat))
        if segment in (Segment.CAT_REDUCE, Segment.CAT_UNIT) and isinstance(module, DenseBlock):
            found.append((module, _ListingBlock))
    return found


_WHOLE_MODULES: dict[Segment, tuple[type[nn.Module], ...]] = {
    Segment.BLOCK: (DenseBlock,),
    Segment.STEM: (Stem, SmallStem),
    Segment.TRANSITION_DOWN: (TransitionDown,),
    Segment.TRANSITION_UP: (TransitionUp,),
}


class _Mixin(nn.Module):
    """Base of the mixins put before a module's own class; recognised by `_restore`."""

    _norm_updates: NormUpdates


class _Recomputed(_Mixin):
    """Mixin: the module is one segment."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return _checkpoint(super().forward, self, self._norm_updates, inputs)


class _RecomputedAfterCat(_Mixin):
    """Mixin: the preceding concatenation and the module are one segment."""

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        own_forward = super().forward

        def forward(*parts: Tensor) -> Tensor:
            output: Tensor = own_forward(torch.cat(parts, dim=1))
            return output

        return _checkpoint(forward, self, self._norm_updates, parts)


class _ListingBlock(_Mixin):
    """Mixin of a dense block: its units concatenate their inputs."""

    units: nn.ModuleList

    def forward(self, features: Tensor) -> Tensor:
        parts = [features]
        for unit in self.units:
            parts.append(unit(tuple(parts)))
        return torch.cat(parts, dim=1)


def _checkpoint(
    forward: Callable[..., Tensor],
    module: nn.Module,
    norm_updates: NormUpdates,
    inputs: Sequence[Tensor],
) -> Tensor:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    norms = _norms_within(module)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        if norm_updates is NormUpdates.TWICE:
            return _momenta(norms, half_momentum), _momenta(norms, half_momentum)
        return nullcontext(), _kept_statistics(norms)

    output: Tensor = checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)
    return output


def _norms_within(module: nn.Module) -> list[_BatchNorm]:
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]


@contextmanager
def _momenta(norms: Sequence[_BatchNorm], change: Callable[[float], float]) -> Iterator[None]:
    momenta = [norm.momentum for norm in norms]
    try:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = change(momentum or 0.0)
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


@contextmanager
def _kept_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    # With tracking switched off, norms would save fewer tensors than in the forward pass.
    counters = [norm.num_batches_tracked for norm in norms]
    try:
        for norm in norms:
            norm.num_batches_tracked = None
        with _momenta(norms, lambda momentum: 0.0):
            yield
    finally:
        for norm, counter in zip(norms, counters, strict=True):
            norm.num_batches_tracked = counter


def _check_momenta(segments: Sequence[nn.Module]) -> None:
    for segment in segments:
        for norm in _norms_within(segment):
            if norm.momentum is None:
                raise ModelError(
                    'momentum of a batch norm that is updated twice', must_be='a number',
                    got=None, do='update it once (NormUpdates.ONCE)',
                )


def _mix_in(module: nn.Module, mixin: type[_Mixin], norm_updates: NormUpdates) -> None:
    module.__class__ = _mixed_class(mixin, type(module))  # type: ignore[arg-type]
    module._norm_updates = norm_updates  # type: ignore[assignment]


def _restore(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, _Mixin):
            module.__class__ = type(module).__bases__[1]
            del module._norm_updates


@cache
def _mixed_class(mixin: type[_Mixin], own: type[nn.Module]) -> type[nn.Module]:
    return type(f'{mixin.__name__.strip("_")}{own.__name__}', (mixin, own), {})
