# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The networks one can ask for by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.initialisation import initialise
from ldn_perception.models.ladder import Ladder
from ldn_perception.models.ldn import LadderDenseNet
from ldn_perception.models.norm_relu_conv import NormReluConv
from ldn_perception.models.scale_invariant import BackEnd, ScaleInvariantNetwork
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.models.spatial_pyramid import SpatialPyramid
from ldn_perception.models.vgg import VggFeatures


def build_ladder_densenet(
    backbone: DenseNet,
    num_classes: int,
    *,
    step_channels: Sequence[int],
    reduced_channels: int = 128,
) -> LadderDenseNet:
    """A ladder DenseNet with the pyramid sizes of the thesis: d/2, d/8 and d/4 maps.

    Args:
        backbone: The path down, with d maps in its last feature.
        num_classes: Number of logit channels.
        step_channels: See `Ladder`.
        reduced_channels: See `Ladder`.
    """
    *skips, deepest = backbone.channels
    pyramid = SpatialPyramid(
        deepest, projected_channels=deepest // 2, level_channels=deepest // 8,
        out_channels=deepest // 4,
    )
    ladder = Ladder(
        pyramid.out_channels, skips, step_channels=step_channels,
        reduced_channels=reduced_channels,
    )
    head = NormReluConv(ladder.out_channels, num_classes, kernel_size=1, bias=True)
    return LadderDenseNet(backbone, pyramid, ladder, head)


def _ldn121(num_classes: int) -> SegmentationModel:
    return build_ladder_densenet(DenseNet(), num_classes, step_channels=(256, 256, 128, 64))


def _ldn_small(num_classes: int) -> SegmentationModel:
    backbone = DenseNet(block_sizes=(3, 4, 8, 6), growth=16, stem_channels=32)
    return build_ladder_densenet(
        backbone, num_classes, step_channels=(48, 48, 48, 48), reduced_channels=48
    )


def _scale_invariant(num_classes: int) -> SegmentationModel:
    return _build_scale_invariant(VggFeatures(), num_classes)


def _scale_invariant_small(num_classes: int) -> SegmentationModel:
    extractor = VggFeatures((8, 16, 32, 64, 64), normalised_groups=range(1, 6))
    return _build_scale_invariant(
        extractor, num_classes, hidden_channels=(96, 96), kernel_size=3
    )


def _build_scale_invariant(
    extractor: VggFeatures,
    num_classes: int,
    *,
    hidden_channels: Sequence[int] = (1024, 1024),
    kernel_size: int = 7,
) -> ScaleInvariantNetwork:
    multiplexer = ScaleMultiplexer(cell_px=extractor.stride)
    back_end = BackEnd(
        len(multiplexer.reference_widths_m) * extractor.out_channels, num_classes,
        hidden_channels=hidden_channels, kernel_size=kernel_size,
    )
    return ScaleInvariantNetwork(extractor, multiplexer, back_end)


MODELS: dict[str, Callable[[int], SegmentationModel]] = {
    'ldn121': _ldn121,
    'ldn_small': _ldn_small,
    'scale_invariant': _scale_invariant,
    'scale_invariant_small': _scale_invariant_small,
}
"""Name -> builder that takes the number of classes."""


def build_model(name: str, num_classes: int, seed: int = 0) -> SegmentationModel:
    """Build an untrained network on the CPU.

    Args:
        name: One of `MODELS`.
        num_classes: Number of logit channels, at least 1.
        seed: The same seed gives the same weights; the global random state is left as it was.

    Raises:
        ModelError: There is no such network, or it is asked for no class.
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
