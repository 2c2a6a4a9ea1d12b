# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A trained Ladder DenseNet rewritten for inference: the same function with less to do.

A batch norm that directly follows a convolution goes into its weights, and what is averaged and
then projected is projected after the average. docs/engines.md says what either gains, and what
was tried beside it.
"""


from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy

from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet, DenseUnit, NormReluConv, Stem, TransitionDown
from ldn_perception.models.ldn import LadderDenseNet, LocalContext, TransitionUp
from ldn_perception.models.segmentation_model import SegmentationModel


def is_rewritable(model: SegmentationModel) -> bool:
    """Whether `rewrite_for_inference` takes a network: a ladder network on a DenseNet."""
    return isinstance(model, LadderDenseNet) and isinstance(model.backbone, DenseNet)


def rewrite_for_inference(model: SegmentationModel) -> LadderDenseNet:
    """Equivalent network with fewer batch norms and less to multiply.

    It is for inference only: it has no auxiliary heads, and cannot be trained on.

    Args:
        model: A trained network; it is left as it is.

    Raises:
        ModelError: It is no ladder network on a DenseNet.
    """
    if not isinstance(model, LadderDenseNet) or not is_rewritable(model):
        raise ModelError(
            'network to rewrite', must_be='a ladder network on a DenseNet', got=_describe(model),
            do='run this network with another engine',
        )
    rewritten = deepcopy(model).eval().requires_grad_(False)
    rewritten.auxiliary_heads = None
    fold_norms(rewritten)
    pool_before_projections(rewritten)
    return rewritten


def fold_norms(model: nn.Module) -> None:
    """Move every batch norm that follows a convolution into it, in place."""
    for module in model.modules():
        if isinstance(module, Stem):
            _fold_stem(module)
        elif isinstance(module, DenseUnit):
            _fold_pair(module.reduce, module.grow)
        elif isinstance(module, TransitionUp):
            _fold_pair(module.reduce, module.blend)
        elif isinstance(module, LocalContext):
            _fold_pair(module.project, module.blend)


def pool_before_projections(model: nn.Module) -> None:
    """Let every transition average before its 1x1 convolution, a quarter of its work, in place."""
    for backbone in [module for module in model.modules() if isinstance(module, DenseNet)]:
        for index, down in enumerate(backbone.downs):
            if isinstance(down, TransitionDown):
                backbone.downs[index] = nn.Sequential(OrderedDict(
                    norm=down.norm, relu=down.relu, pool=down.pool, conv=down.conv))


def _fold_stem(stem: Stem) -> None:
    stem.add_module('conv', fuse_conv_bn_eval(stem.conv, stem.norm))
    stem.add_module('norm', nn.Identity())
    # A maximum of values that are cut off at 0 is their maximum, cut off.
    pool, relu = stem.pool, stem.relu
    stem.add_module('relu', pool)
    stem.add_module('pool', relu)


def _fold_pair(first: nn.Module, second: nn.Module) -> None:
    if (isinstance(first, NormReluConv) and isinstance(second, NormReluConv)
            and isinstance(first.conv, nn.Conv2d)):
        first.add_module('conv', fuse_conv_bn_eval(first.conv, second.norm))
        second.add_module('norm', nn.Identity())


def _describe(model: SegmentationModel) -> str:
    name = type(model).__name__
    if isinstance(model, LadderDenseNet):
        return f'{name} on {type(model.backbone).__name__}'
    return name
