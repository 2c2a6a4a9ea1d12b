# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

from ldn_perception.models.registry import build_model, count_multiply_adds, count_parameters
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput


class TwoConvolutions(SegmentationModel):
    num_classes = 4
    stride = 2
    uses_disparity = False

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 4, 3, padding=1, groups=2, bias=False)

    def forward(self, image, pixels_per_metre=None):
        return SegmentationOutput(self.second(self.norm(self.first(image))), ())


def test_multiply_adds_of_two_convolutions_by_hand():
    first = 5 * 6 * 8 * (5 * 5 * 3)  # 10 x 12 pixels become 5 x 6
    second = 5 * 6 * 4 * (3 * 3 * 4)  # two groups: each map sees 4 of 8
    assert count_multiply_adds(TwoConvolutions(), 10, 12) == first + second


def test_parameters_of_two_convolutions_by_hand():
    assert count_parameters(TwoConvolutions()) == (75 * 8 + 8) + 2 * 8 + 36 * 4


def test_a_shared_extractor_is_counted_at_every_level():
    model = build_model('scale_invariant_small', 2)
    model.multiplexer.num_levels = 1
    single = count_multiply_adds(model, 64, 96)
    back_end = 8 * 12 * sum(
        conv.weight.numel() for conv in model.back_end if isinstance(conv, nn.Conv2d)
    )
    model.multiplexer.num_levels = 2
    # 64 / 1.3 = 49.2 and 96 / 1.3 = 73.8, to multiples of 16: 48 x 80
    second_level = (single - back_end) * (48 * 80) / (64 * 96)
    assert count_multiply_adds(model, 64, 96) == single + second_level


def test_counting_leaves_the_model_as_it_was():
    model = build_model('ldn_small', 2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_multiply_adds(model, 64, 64)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
