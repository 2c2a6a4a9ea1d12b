# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from ldn_perception.hardware import block_size, download, parts_of_block, upload

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='torch sees no GPU')
CPU = torch.device('cpu')
PLANES = (
    torch.arange(15, dtype=torch.uint8).view(3, 5),
    torch.tensor([[True, False, True]]),
    torch.linspace(0, 1, 21).view(7, 3),
    torch.linspace(0, 1, 6, dtype=torch.float64).view(3, 2).T,
)


def test_parts_of_a_block_hold_planes_beside_each_other():
    block = torch.zeros(block_size(PLANES), dtype=torch.uint8)
    parts = parts_of_block(block, PLANES)
    for part, plane in zip(parts, PLANES, strict=True):
        part.copy_(plane)
    for part, plane in zip(parts, PLANES, strict=True):
        assert part.dtype == plane.dtype
        assert torch.equal(part, plane)
        assert part.untyped_storage().data_ptr() == block.data_ptr()
    assert len(block) < sum(plane.nbytes for plane in PLANES) + 16 * len(PLANES)


def test_from_the_cpu_planes_are_themselves():
    for array, plane in zip(download(PLANES), PLANES, strict=True):
        assert array.shape == plane.shape
        assert array.ctypes.data == plane.data_ptr()


def test_what_is_there_already_is_not_copied():
    assert upload(PLANES[0], CPU).data_ptr() == PLANES[0].data_ptr()


@on_gpu
class TestOnGpu:
    def test_what_comes_back_is_what_was_sent(self):
        device = torch.device('cuda')
        for array, plane in zip(
                download([upload(plane, device) for plane in PLANES]), PLANES, strict=True):
            np.testing.assert_array_equal(array, plane.numpy())

    def test_images_may_change_as_soon_as_they_are_sent(self):
        device = torch.device('cuda')
        image, sums = torch.empty(1024, 2048, 3, dtype=torch.uint8), []
        for level in range(50):
            image.fill_(level)
            sums.append(upload(image, device).float().mean())
        assert [float(value) for value in sums] == pytest.approx(list(range(50)))

    def test_results_outlive_those_of_the_next_images(self):
        planes = [torch.full((1024, 2048), level, dtype=torch.uint8, device='cuda')
                  for level in range(20)]
        kept = [download([plane])[0] for plane in planes]
        assert [(array == level).all() for level, array in enumerate(kept)] == [True] * 20
