# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of networks by name, with their initialisation, size and cost.

The thesis shows the ladder widths only in a drawing, and its tables mix two variants. The widths
here reproduce both the sizes and the costs in the tables (see `docs/models.md`). They equal the
constants in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.deeplab import DEEPLAB_PRESETS
from ldn_perception.models.densenet import DenseNet, NormReluConv
from ldn_perception.models.efficientnet import (
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
)
from ldn_perception.models.ldn import (
    AuxiliaryHeads,
    Backbone,
    Blending,
    Context,
    Ladder,
    LadderDenseNet,
    LocalContext,
    SpatialPyramid,
)
from ldn_perception.models.names import MODEL_NAMES
from ldn_perception.models.resnet import dpn68, resnet18, resnet50, resnet101
from ldn_perception.models.scale_networks import SCALE_FAMILY
from ldn_perception.models.segmentation_model import SegmentationModel


@dataclass(frozen=True)
class LadderDesign:
    """Design of a ladder network d→u.

    d is the last stride of the backbone; u follows from the number of upsampling steps.

    Attributes:
        backbone: Builds the downsampling path.
        context: Builds the context module, given the channels of the coarsest feature.
        step_channels: Output channels of each upsampling step, coarsest first; empty for a
            network d↓.
        reduced_channels: See `TransitionUp`.
        reduces_narrow: See `Ladder`.
        residual: See `TransitionUp`.
        separable: See `TransitionUp`.
        blending: See `TransitionUp`.
        auxiliary_heads: True if the network has auxiliary heads, used in training only.
        heads_on_pools: True if auxiliary heads are also attached to the pooled tensors of the
            pyramid (section 4.6.1), False if only to the inputs of the steps (section 5.2 and
            the released code).
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
    """Build the network of a design with PyTorch's default initialisation.

    Args:
        design: Design of the network.
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


DENSENET_121 = partial(DenseNet)
DENSENET_161 = partial(DenseNet, block_sizes=(6, 12, 36, 24), growth=48, stem_channels=96)
DENSENET_169 = partial(DenseNet, block_sizes=(6, 12, 32, 32))
WHOLE_121 = partial(DENSENET_121, split_blocks=())

NARROW_PYRAMID = partial(
    SpatialPyramid, projected_channels=512, level_channels=128, out_channels=256
)
"""Section 4.4.2 with d = 1024: d/2, d/8 and d/4 channels. Same widths for other backbones."""

WIDE_PYRAMID = partial(
    SpatialPyramid, projected_channels=512, level_channels=128, out_channels=512
)
"""Pyramid of the released code."""

UNREDUCED_PYRAMID = partial(
    SpatialPyramid, projected_channels=None, level_channels=256, out_channels=512,
    grid_rows=(6, 3, 2, 1), square_cells=False,
)
"""Module of the Pyramid Scene Parsing Network for d = 1024 channels, blended by a 1x1."""

LITE_PYRAMID = partial(
    SpatialPyramid, projected_channels=256, level_channels=64, out_channels=128
)
"""Module of the thesis for backbones with a third of the channels."""

_RELEASED_STEM = partial(nn.MaxPool2d, 2)
_RELEASED_121 = partial(DENSENET_121, stem_pool=_RELEASED_STEM)
_RELEASED_161 = partial(DENSENET_161, stem_pool=_RELEASED_STEM)
_RELEASED_169 = partial(DENSENET_169, stem_pool=_RELEASED_STEM)

LADDER_DESIGNS: dict[str, LadderDesign] = {
    'ldn121': LadderDesign(
        DENSENET_121, NARROW_PYRAMID, (256, 256, 128, 64), reduces_narrow=True),
    'ldn_small': LadderDesign(
        partial(DenseNet, block_sizes=(3, 4, 8, 6), growth=16, stem_channels=32),
        partial(SpatialPyramid, projected_channels=93, level_channels=23, out_channels=46),
        (48, 48, 48, 48), reduced_channels=48, reduces_narrow=True),

    'ldn121_64_4': LadderDesign(DENSENET_121, NARROW_PYRAMID, (256, 256, 128, 128)),
    'ldn121_32_4': LadderDesign(
        WHOLE_121, NARROW_PYRAMID, (256, 128, 128)),
    'ldn121_128_4': LadderDesign(
        partial(DENSENET_121, split_blocks=(2, 3)), NARROW_PYRAMID, (256, 256, 256, 128, 128)),
    'ldn121_32_2': LadderDesign(
        partial(WHOLE_121, stem_feature=True), NARROW_PYRAMID,
        (256, 128, 128, 256)),
    'ldn121_16_2': LadderDesign(
        partial(WHOLE_121, stem_pool=nn.Identity), NARROW_PYRAMID,
        (256, 128, 128)),
    'ldn121_down32': LadderDesign(WHOLE_121, WIDE_PYRAMID, ()),
    'ldn161_64_4': LadderDesign(DENSENET_161, NARROW_PYRAMID, (256, 256, 128, 128)),
    'ldn161_32_4': LadderDesign(
        partial(DENSENET_161, split_blocks=()), NARROW_PYRAMID, (256, 128, 128)),
    'ldn169_32_4': LadderDesign(
        partial(DENSENET_169, split_blocks=()), WIDE_PYRAMID, (256, 128, 128)),

    'lrn18_32_4': LadderDesign(resnet18, WIDE_PYRAMID, (256, 128, 128), residual=True),
    'lrn50_32_4': LadderDesign(resnet50, WIDE_PYRAMID, (256, 128, 128), residual=True),
    'lrn101_32_4': LadderDesign(resnet101, WIDE_PYRAMID, (256, 128, 128), residual=True),
    'ldpn68_32_4': LadderDesign(dpn68, NARROW_PYRAMID, (256, 128, 128)),

    'lite0_32_4': LadderDesign(efficientnet_lite0, LITE_PYRAMID, (128, 128, 128)),
    'lite1_32_4': LadderDesign(efficientnet_lite1, LITE_PYRAMID, (128, 128, 128)),
    'lite2_32_4': LadderDesign(efficientnet_lite2, LITE_PYRAMID, (128, 128, 128)),

    'ddn121_down8': LadderDesign(
        partial(WHOLE_121, dilations=(1, 1, 2, 4)), WIDE_PYRAMID, ()),
    'lddn121_8_4': LadderDesign(
        partial(WHOLE_121, dilations=(1, 1, 2, 4)), WIDE_PYRAMID, (128,), residual=True),
    'lddn121_16_4': LadderDesign(
        partial(WHOLE_121, dilations=(1, 1, 1, 2)), WIDE_PYRAMID, (128, 128), residual=True),

    'ldn121_dws': LadderDesign(
        DENSENET_121, NARROW_PYRAMID, (256, 256, 128, 128), reduced_channels=None,
        separable=True),
    'ldn121_no_spp': LadderDesign(
        DENSENET_121, partial(LocalContext, projected_channels=512, out_channels=256),
        (256, 256, 128, 128)),
    'ldn121_pspnet_spp': LadderDesign(DENSENET_121, UNREDUCED_PYRAMID, (256, 256, 128, 128)),
    'ldn121_concatenation': LadderDesign(
        WHOLE_121,
        partial(LocalContext, projected_channels=512, out_channels=128), (128, 128, 128),
        reduced_channels=None, blending=Blending.CONCATENATION),
    'ldn169_rob2018': LadderDesign(
        DENSENET_169, NARROW_PYRAMID, (256, 256, 256, 256), heads_on_pools=False),

    'ldn121_released': LadderDesign(
        _RELEASED_121, WIDE_PYRAMID, (256, 256, 128, 128), residual=True, heads_on_pools=False),
    'ldn121_released_32_4': LadderDesign(
        partial(_RELEASED_121, split_blocks=()), WIDE_PYRAMID, (256, 128, 128), residual=True,
        heads_on_pools=False),
    'ldn161_released': LadderDesign(
        _RELEASED_161, WIDE_PYRAMID, (256, 256, 128, 128), residual=True, heads_on_pools=False),
    'ldn169_released': LadderDesign(
        _RELEASED_169, WIDE_PYRAMID, (256, 256, 128, 128), residual=True, heads_on_pools=False),
}
"""Name -> design; a name ending in d_u means d→u, a name ending in downd means d↓."""


_BUILDERS: dict[str, Callable[[int], SegmentationModel]] = {
    **{
        name: partial(build_ladder_network, design) for name, design in LADDER_DESIGNS.items()
    },
    **SCALE_FAMILY,
    **DEEPLAB_PRESETS,
}
MODELS = {name: _BUILDERS[name] for name in MODEL_NAMES}
"""Name -> builder, a function of the number of classes."""


def build_model(name: str, num_classes: int, seed: int = 0) -> SegmentationModel:
    """Build an untrained network on the CPU.

    Args:
        name: One of `MODELS`.
        num_classes: Number of logit channels, at least 1.
        seed: Seed of the weights. The global random state is not changed.

    Raises:
        ModelError: The name is unknown, or num_classes is below 1.
    """
    if name not in MODELS:
        raise ModelError(
            'model', must_be=f'one of {", ".join(MODELS)}', got=repr(name), do='choose one of them'
        )
    if num_classes < 1:
        raise ModelError(
            'num_classes', must_be='at least 1', got=num_classes, do='pass a taxonomy with classes'
        )
    with torch.random.fork_rng(devices=[]):
        model = MODELS[name](num_classes)
    initialise(model, seed)
    return model


def initialise(model: nn.Module, seed: int) -> None:
    """Initialise every convolution and batch norm of a model, in place.

    Convolution weights are drawn from a normal distribution with He's variance, biases are zero,
    batch norms are the identity. The global random state is not changed.

    Args:
        model: Any network, on the CPU.
        seed: Seed of the weights.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu', generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def count_parameters(model: nn.Module) -> int:
    """Count the learnable parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: SegmentationModel, height: int, width: int) -> int:
    """Count the multiply-adds of all convolutions for one image.

    Only shapes are propagated, on the meta device. Batch norm, activations, pooling,
    interpolation and bias additions are not counted.

    Args:
        model: The network; it is not changed.
        height: Image height [px].
        width: Image width [px].
    """
    total = 0

    def add(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(conv, nn.Conv2d)
        total += output.numel() * conv.weight[0].numel()

    hooks = [
        module.register_forward_hook(add)
        for module in model.modules() if isinstance(module, nn.Conv2d)
    ]
    training = model.training
    try:
        model.eval()
        _forward_shapes(model, height, width)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return total


def _forward_shapes(model: SegmentationModel, height: int, width: int) -> None:
    # Buffers that no weights file holds are moved as well.
    state = {
        name: value.to('meta')
        for name, value in (*model.named_parameters(), *model.named_buffers())}
    image = torch.empty(1, 3, height, width, device='meta')
    scale = torch.empty(1, height, width, device='meta')
    with torch.no_grad():
        torch.func.functional_call(model, state, (image, scale))
