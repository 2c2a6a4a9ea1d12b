# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Random weights to start from."""

import torch
from torch import nn


def initialise(model: nn.Module, seed: int) -> None:
    """Give every convolution and batch norm of a model its starting values, in place.

    Convolutions are normal with He's variance, biases zero, batch norms the identity. The
    global random state is left as it was.

    Args:
        model: Any network, on the CPU.
        seed: The same seed gives the same weights.

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
