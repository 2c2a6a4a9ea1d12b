# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What changes the weights."""

from __future__ import annotations

import torch
from torch import nn

from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.training.recipe import TrainingRecipe


def build_optimizer(model: SegmentationModel, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Build Adam, whose groups know by what their learning rate is divided.

    Source: thesis section 4.6.1. Weight decay, which it does not have, is that of AdamW; without
    any the two are the same.
    """
    divisor = recipe.backbone_divisor if recipe.imagenet_weights else 1.0
    backbone = find_backbone(model)
    pretrained = set() if backbone is None else {id(value) for value in backbone.parameters()}
    groups = [
        {'params': [p for p in model.parameters() if id(p) not in pretrained], 'divisor': 1.0},
        {'params': [p for p in model.parameters() if id(p) in pretrained], 'divisor': divisor},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group['params']], lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay)


def find_backbone(model: nn.Module) -> nn.Module | None:
    """The part of a network that ImageNet weights are for; None if it has no such part."""
    for name in ('backbone', 'extractor'):
        found = getattr(model, name, None)
        if isinstance(found, nn.Module):
            return find_backbone(found) or found
    return None
