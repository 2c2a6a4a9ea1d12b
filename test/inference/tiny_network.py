# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

SIZE = ImageSize(24, 16)


class OneConvolution(SegmentationModel):
    """The least that can be exported."""

    num_classes, stride, uses_disparity = 3, 4, False

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 4, 4)

    def forward(self, image, pixels_per_metre=None):
        return SegmentationOutput(self.layer(image), ())


class Undecided(OneConvolution):
    """Its graph depends on the pixels, which no exporter can follow."""

    def forward(self, image, pixels_per_metre=None):
        if image.sum() > 0:
            image = -image
        return super().forward(image)


def build_tiny(kind=OneConvolution):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DeployedNetwork(kind())
