# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from ldn_perception.inference.torch_engine import ResizedEngine


class RecordingEngine:
    """An engine that keeps what it was given."""

    description, device, uses_disparity = 'recording', torch.device('cpu'), True

    def run(self, image, pixels_per_metre=None):
        self.image, self.sizes = image, pixels_per_metre
        return torch.zeros(1, 3, 4, 5)


def test_the_engine_sees_images_and_scales_at_its_size():
    inner = RecordingEngine()
    engine = ResizedEngine(inner, 40, 24)
    image = torch.from_numpy(np.full((48, 80, 3), 7, np.uint8))
    sizes = torch.full((48, 80), 20.0)
    sizes[:24] = torch.nan
    assert engine.run(image, sizes).shape == (1, 3, 4, 5)
    assert (inner.image.shape, inner.image.dtype) == ((24, 40, 3), torch.uint8)
    assert (inner.image == 7).all()
    assert inner.sizes.isnan()[:12].all()
    assert (inner.sizes[12:] == 10).all()  # a metre spans half the pixels
    assert (engine.description, engine.uses_disparity) == ('recording, at 40x24', True)


def test_an_image_of_that_size_is_handed_on_as_it_is():
    inner = RecordingEngine()
    image = torch.zeros(24, 40, 3, dtype=torch.uint8)
    ResizedEngine(inner, 40, 24).run(image)
    assert inner.image is image
    assert inner.sizes is None
    larger = torch.zeros(12, 20, 3, dtype=torch.uint8)
    ResizedEngine(inner, 40, 24).run(larger)
    assert inner.image.shape == (24, 40, 3)
