# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The ladder networks of the thesis, of the authors' code and of this package, by name.

The thesis prints no widths of the ladder except in a drawing, and its tables mix two variants.
The widths here are those that reproduce size and cost in the tables together, see
`docs/models.md`; they turn out to be the constants of the authors' code.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.dpn import dpn68
from ldn_perception.models.efficientnet import (
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
)
from ldn_perception.models.ladder import Blending
from ldn_perception.models.ladder_design import LadderDesign
from ldn_perception.models.resnet import resnet18, resnet50, resnet101
from ldn_perception.models.spatial_pyramid import LocalContext, SpatialPyramid

DENSENET_121 = partial(DenseNet)
DENSENET_161 = partial(DenseNet, block_sizes=(6, 12, 36, 24), growth=48, stem_channels=96)
DENSENET_169 = partial(DenseNet, block_sizes=(6, 12, 32, 32))
WHOLE_121 = partial(DENSENET_121, split_blocks=())

NARROW_PYRAMID = partial(
    SpatialPyramid, projected_channels=512, level_channels=128, out_channels=256
)
"""Section 4.4.2 with d = 1024: d/2, d/8 and d/4 maps. Other backbones have the same maps."""

WIDE_PYRAMID = partial(
    SpatialPyramid, projected_channels=512, level_channels=128, out_channels=512
)
"""As in the released code."""

UNREDUCED_PYRAMID = partial(
    SpatialPyramid, projected_channels=None, level_channels=256, out_channels=512,
    grid_rows=(6, 3, 2, 1), square_cells=False,
)
"""The module of the Pyramid Scene Parsing Network on d = 1024 maps, blended by a 1x1."""

LITE_PYRAMID = partial(
    SpatialPyramid, projected_channels=256, level_channels=64, out_channels=128
)
"""The module of the thesis for a backbone of a third of the maps."""

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
"""Name -> design; names d_u stand for d→u, downd for d↓."""
