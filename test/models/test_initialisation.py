# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn

from ldn_perception.models.registry import initialise


def test_convolutions_have_hes_variance_and_no_bias():
    conv = nn.Conv2d(64, 128, 3)
    initialise(conv, seed=4)
    assert float(conv.weight.detach().std()) == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
    assert float(conv.weight.detach().mean()) == pytest.approx(0, abs=1e-3)
    assert not conv.bias.any()


def test_batch_norm_becomes_the_identity():
    norm = nn.BatchNorm2d(3)
    norm(torch.randn(4, 3, 5, 5) * 7 + 2)
    nn.init.constant_(norm.weight, 9.0)
    initialise(norm, seed=0)
    values = torch.randn(1, 3, 4, 4)
    assert torch.allclose(norm.eval()(values), values, atol=1e-4)
