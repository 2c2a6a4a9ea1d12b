# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How large a network is and how much it computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ldn_perception.models.segmentation_model import SegmentationModel


def count_parameters(model: nn.Module) -> int:
    """Number of learnable values of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: SegmentationModel, height: int, width: int) -> int:
    """Multiply-adds of all convolutions for one image.

    Nothing is computed: shapes alone go through the network. Batch norm, activations, pooling,
    interpolation and the addition of biases are not counted.

    Args:
        model: The network; it is left as it is.
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
    state = {name: value.to('meta') for name, value in model.state_dict().items()}
    image = torch.empty(1, 3, height, width, device='meta')
    scale = torch.empty(1, height, width, device='meta')
    with torch.no_grad():
        torch.func.functional_call(model, state, (image, scale))
