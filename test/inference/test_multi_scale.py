# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import InferenceError, ModelError
from ldn_perception.inference.torch_engine import MultiScaleEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import (
    IMAGE_MEAN,
    IMAGE_STD,
    SegmentationModel,
    SegmentationOutput,
)

CPU = torch.device('cpu')
IMAGE = torch.randint(
    0, 256, (70, 101, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


class SmallNetwork(SegmentationModel):
    """Two convolutions at half the resolution that also look at the scale of the pixels."""

    num_classes = 4
    stride = 2
    uses_disparity = True

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 8, 5, stride=2, padding=2)
        self.head = nn.Conv2d(8, self.num_classes, 3, padding=1)
        self.seen = []

    def forward(self, image, pixels_per_metre=None):
        if pixels_per_metre is None:
            raise ModelError('pixels_per_metre', must_be='given', got=None, do='give it')
        self.seen.append((tuple(image.shape[-2:]), pixels_per_metre.clone()))
        known = ~pixels_per_metre.isnan()
        depth = torch.stack((known.float(), pixels_per_metre.nan_to_num() / 100), dim=1)
        features = F.relu(self.conv(torch.cat((image, depth), dim=1)))
        return SegmentationOutput(self.head(features), ())


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return SmallNetwork()


@pytest.fixture
def sizes():
    values = torch.linspace(5, 90, 70 * 101).view(70, 101)
    values[20:30, 40:60] = torch.nan
    return values


def nearest_pixels(length, new_length):
    """For every new pixel the old one that holds its centre."""
    return np.minimum(
        np.floor((np.arange(new_length) + 0.5) * length / new_length), length - 1).astype(int)


def mean_probabilities(network, sizes, scales, mirrors):
    """The definition as a plain loop; mirrors by reversed columns."""
    mean, std = np.array(IMAGE_MEAN), np.array(IMAGE_STD)
    image = ((IMAGE.numpy() / 255 - mean) / std).astype(np.float32)
    opinions = []
    for scale in scales:
        height, width = round(70 * scale), round(101 * scale)
        resized = F.interpolate(
            torch.from_numpy(image).permute(2, 0, 1)[None], (height, width), mode='bilinear',
            antialias=scale < 1)
        rows, columns = nearest_pixels(70, height), nearest_pixels(101, width)
        apparent = sizes.numpy()[rows][:, columns] * np.float32(scale)
        for mirrored in mirrors:
            order = torch.arange(width - 1, -1, -1) if mirrored else torch.arange(width)
            with torch.no_grad():
                logits = network(
                    resized[..., order], torch.from_numpy(apparent)[None][..., order]).logits
            upsampled = F.interpolate(logits, (70, 101), mode='bilinear')
            if mirrored:
                upsampled = upsampled[..., torch.arange(100, -1, -1)]
            weights = upsampled.double().exp()
            opinions.append(weights / weights.sum(dim=1, keepdim=True))
    return torch.stack(opinions).mean(dim=0)


@pytest.mark.parametrize(('scales', 'flips'), [(SCALES, True), (SCALES, False), ((1.5,), True)])
def test_probabilities_are_the_mean_of_a_plain_loop(network, sizes, scales, flips):
    expected = mean_probabilities(network, sizes, scales, (False, True) if flips else (False,))
    logits = MultiScaleEngine(network, CPU, scales=scales, flips=flips).run(IMAGE, sizes)
    assert logits.shape == (1, 4, 70, 101)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits.softmax(1).double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        logits.exp().sum(1), torch.ones(1, 70, 101), rtol=1e-5, atol=1e-5)


def test_one_plain_view_gives_the_models_own_probabilities(network, sizes):
    engine = MultiScaleEngine(network, CPU, scales=(1.0,), flips=False)
    mean, std = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)
    image = ((IMAGE / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        own = F.interpolate(network(image, sizes[None]).logits, (70, 101), mode='bilinear')
    torch.testing.assert_close(
        engine.run(IMAGE, sizes), own.log_softmax(1), rtol=1e-4, atol=1e-4)


def test_apparent_sizes_grow_with_the_image_and_unknown_depth_does_not_spread(network, sizes):
    MultiScaleEngine(network, CPU, scales=(2.0,), flips=True).run(IMAGE, sizes)
    (size, plain), (_, mirrored) = network.seen
    assert size == (140, 202)
    doubled = 2 * sizes.repeat_interleave(2, 0).repeat_interleave(2, 1)
    torch.testing.assert_close(plain[0], doubled, equal_nan=True)
    torch.testing.assert_close(mirrored[0], doubled.fliplr(), equal_nan=True)


def test_answer_to_a_mirrored_image_is_the_mirrored_answer(network, sizes):
    engine = MultiScaleEngine(network, CPU, scales=(1.0,))
    mirrored = engine.run(IMAGE.flip(1).contiguous(), sizes.fliplr())
    torch.testing.assert_close(mirrored.flip(-1), engine.run(IMAGE, sizes))


def test_hopeless_classes_stay_finite(network, sizes):
    with torch.no_grad():
        network.head.bias[2] = -1e4
    assert torch.isfinite(MultiScaleEngine(network, CPU).run(IMAGE, sizes)).all()


def test_a_network_without_depth_runs_at_every_scale():
    image = torch.randint(0, 256, (128, 160, 3), dtype=torch.uint8)
    engine = MultiScaleEngine(build_model('ldn_small', 5), CPU, scales=(0.5, 1.0), flips=True)
    assert not engine.uses_disparity
    assert engine.device == CPU
    logits = engine.run(image)
    assert logits.shape == (1, 5, 128, 160)
    assert not logits.requires_grad


def test_half_precision_stays_near(network, sizes):
    full = MultiScaleEngine(network, CPU, scales=(1.0,)).run(IMAGE, sizes).exp()
    half = MultiScaleEngine(
        network, CPU, scales=(1.0,), precision=torch.bfloat16).run(IMAGE, sizes)
    assert half.dtype == torch.float32
    assert 0 < (half.exp() - full).abs().max() < 0.05


def test_a_network_that_needs_depth_says_so(network):
    engine = MultiScaleEngine(network, CPU)
    assert engine.uses_disparity
    with pytest.raises(ModelError, match='pixels_per_metre'):
        engine.run(IMAGE)


@pytest.mark.parametrize('scales', [(), (1.0, 0.0), (-0.5,)])
def test_impossible_scales_are_refused(network, scales):
    with pytest.raises(InferenceError, match='scales must be one or more factors above 0'):
        MultiScaleEngine(network, CPU, scales=scales)
