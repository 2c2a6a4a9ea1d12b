# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Inference form of a trained Ladder DenseNet: same function, fewer operations.

Batch norms that directly follow a convolution are folded into its weights, and average pooling
after a projection is moved before it. docs/engines.md lists the gain of each, and other
rewrites that were tried.
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
    """Return True if `rewrite_for_inference` takes the network: a ladder network on DenseNet."""
    return isinstance(model, LadderDenseNet) and isinstance(model.backbone, DenseNet)


def rewrite_for_inference(model: SegmentationModel) -> LadderDenseNet:
    """Build an equivalent network with fewer batch norms and multiplications.

    For inference only: it has no auxiliary heads and cannot be trained further.

    Args:
        model: A trained network; it is not changed.

    Raises:
        ModelError: It is not a ladder network on a DenseNet.
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
    """Fold every batch norm that follows a convolution into it, in place."""
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
    """Pool before the 1x1 convolution of every transition, a quarter of its work, in place."""
    for backbone in [module for module in model.modules() if isinstance(module, DenseNet)]:
        for index, down in enumerate(backbone.downs):
            if isinstance(down, TransitionDown):
                backbone.downs[index] = nn.Sequential(OrderedDict(
                    norm=down.norm, relu=down.relu, pool=down.pool, conv=down.conv))


def _fold_stem(stem: Stem) -> None:
    stem.add_module('conv', fuse_conv_bn_eval(stem.conv, stem.norm))
    stem.add_module('norm', nn.Identity())
    # max(relu(x)) = relu(max(x)), so the pooling may come first.
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
