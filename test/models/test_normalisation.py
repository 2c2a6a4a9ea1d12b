# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.models.segmentation_model import IMAGE_MEAN, IMAGE_STD, normalise


def test_every_value_is_that_of_the_definition():
    image = torch.randint(0, 256, (5, 7, 3), dtype=torch.uint8,
                          generator=torch.Generator().manual_seed(0))
    batch = normalise(image)
    for y in range(5):
        for x in range(7):
            for c in range(3):
                expected = (int(image[y, x, c]) / 255 - IMAGE_MEAN[c]) / IMAGE_STD[c]
                assert float(batch[0, c, y, x]) == pytest.approx(expected, abs=1e-6)


def test_batch_is_float32_and_channels_last_in_memory():
    batch = normalise(torch.zeros(6, 9, 3, dtype=torch.uint8))
    assert batch.shape == (1, 3, 6, 9)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_constants_are_those_published_for_imagenet():
    assert IMAGE_MEAN == (0.485, 0.456, 0.406)
    assert IMAGE_STD == (0.229, 0.224, 0.225)


def test_strided_view_of_a_larger_image_is_accepted():
    image = torch.randint(0, 256, (8, 12, 3), dtype=torch.uint8)
    assert torch.equal(normalise(image[1:7, 2:10]), normalise(image)[..., 1:7, 2:10])
