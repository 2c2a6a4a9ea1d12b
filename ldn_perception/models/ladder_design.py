# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What distinguishes one ladder network from another, and the network made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ldn_perception.errors import ModelError
from ldn_perception.models.ladder import Blending, Ladder
from ldn_perception.models.ldn import AuxiliaryHeads, Backbone, LadderDenseNet
from ldn_perception.models.norm_relu_conv import NormReluConv
from ldn_perception.models.spatial_pyramid import Context


@dataclass(frozen=True)
class LadderDesign:
    """A network d→u in one line: d is the backbone's last stride, u follows from the steps.

    Attributes:
        backbone: Builds the path down.
        context: Builds what follows it, from the maps of the backbone's last feature.
        step_channels: Maps of each step up, coarsest first; none for a network d↓.
        reduced_channels: See `TransitionUp`.
        reduces_narrow: See `Ladder`.
        residual: See `TransitionUp`.
        separable: See `TransitionUp`.
        blending: See `TransitionUp`.
        auxiliary_heads: Whether the network has heads that only the training looks at.
        heads_on_pools: Whether they sit on the pooled tensors of the pyramid, too (section 4.6.1),
            or on the inputs of the steps alone (section 5.2 and the released code).
    """

    backbone: Callable[[], Backbone]
    context: Callable[[int], Context]
    step_channels: tuple[int, ...]
    reduced_channels: int | None = 128
    reduces_narrow: bool = False
    residual: bool = False
    separable: bool = False
    blending: Blending = Blending.SUM
    auxiliary_heads: bool = False
    heads_on_pools: bool = True


def build_ladder_network(design: LadderDesign, num_classes: int) -> LadderDenseNet:
    """Build the network of a design, with the weights PyTorch gives it.

    Args:
        design: What to build.
        num_classes: Number of logit channels.

    Raises:
        ModelError: The design has more steps than its backbone has skip connections.
    """
    backbone = design.backbone()
    *skips, coarsest = backbone.channels
    num_steps = len(design.step_channels)
    if num_steps > len(skips):
        raise ModelError(
            'steps of the ladder', must_be=f'at most {len(skips)}, the skips of the backbone',
            got=num_steps, do='leave steps out or take another backbone',
        )
    context = design.context(coarsest)
    ladder = Ladder(
        context.out_channels, skips[len(skips) - num_steps:],
        step_channels=design.step_channels, reduced_channels=design.reduced_channels,
        reduces_narrow=design.reduces_narrow, residual=design.residual,
        separable=design.separable, blending=design.blending,
    )
    head = NormReluConv(ladder.out_channels, num_classes, kernel_size=1, bias=True)
    heads = None
    if design.auxiliary_heads:
        pools = context.pooled_channels if design.heads_on_pools else ()
        heads = AuxiliaryHeads(pools, ladder.channels, num_classes)
    return LadderDenseNet(backbone, context, ladder, head, heads)
