# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs whose disparity is exact by construction: synthetic drives and warped photographs."""

import json

import cv2
import numpy as np
import pytest

from ldn_perception.data.registry import STEREO_DATASETS
from ldn_perception.data.stereo_pairs import (
    LARGEST_SHARE,
    WarpedPhotographs,
    random_surface,
    warped_pair,
)
from ldn_perception.data.synthetic_sets import SyntheticPairs, seen_by_right
from ldn_perception.errors import DatasetError

NAN = np.nan


def write_drive(folder, seed=0):
    """Two pairs of 12 x 20 pixels with a disparity of 0 (unknown), 1 or 2.5 px."""
    random = np.random.default_rng(seed)
    for number in range(2):
        for side in ('left', 'right', 'disparity'):
            (folder / side).mkdir(parents=True, exist_ok=True)
            image = random.integers(0, 256, (12, 20, 3), np.uint8)
            if side == 'disparity':
                image = np.full((12, 20), 256, np.uint16)
                image[:, 10:], image[0] = 640, 0
            cv2.imwrite(str(folder / side / f'{number:06d}.png'), image)
    (folder / 'calib.json').write_text(json.dumps(
        {'fx': 30.0, 'fy': 31.0, 'cx': 9.5, 'cy': 5.5, 'baseline_m': 0.54}))


def test_a_drive_is_read_with_its_exact_disparity(tmp_path):
    write_drive(tmp_path)
    pairs = SyntheticPairs(tmp_path)
    assert len(pairs) == 2
    pair = pairs[1]
    assert pair.name == 'left/000001'
    assert pair.frame.geometry.fx == 30.0
    assert pair.frame.geometry.baseline == 0.54
    assert np.isnan(pair.disparity[0]).all()
    assert set(np.unique(pair.disparity[1:])) == {1.0, 2.5}
    right = cv2.imread(str(tmp_path / 'right' / '000001.png'))
    np.testing.assert_array_equal(pair.frame.right, right[..., ::-1])


def test_drives_follow_each_other(tmp_path):
    for drive in ('b', 'a'):
        write_drive(tmp_path / drive)
    pairs = STEREO_DATASETS['synthetic_pairs'](tmp_path)
    assert [pairs[index].name for index in range(4)] == [
        'a/left/000000', 'a/left/000001', 'b/left/000000', 'b/left/000001']


def test_a_missing_right_image_is_named(tmp_path):
    write_drive(tmp_path)
    (tmp_path / 'right' / '000000.png').unlink()
    with pytest.raises(DatasetError, match=r'file .*right/000000\.png must be there, in a layout'):
        SyntheticPairs(tmp_path)


def test_the_background_beside_a_near_thing_is_hidden_from_the_right_camera():
    disparity = np.full((1, 20), 2, np.float32)
    disparity[0, 8:14] = 5
    disparity[0, 17] = NAN
    # columns 0 and 1 point outside, the thing covers columns 3 to 8 of the right image
    assert np.flatnonzero(~seen_by_right(disparity)[0]).tolist() == [0, 1, 5, 6, 7, 17]


def test_a_slanted_surface_is_seen_whole():
    disparity = np.linspace(0, 6, 40, dtype=np.float32)[None] * np.ones((3, 1), np.float32)
    assert seen_by_right(disparity)[:, 7:].all()


def photograph(height=60, width=90):
    coarse = np.random.default_rng(0).integers(0, 256, (height // 6, width // 6, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_the_left_image_is_the_right_one_seen_from_the_side():
    right = photograph()
    for seed in range(5):
        pair = warped_pair('one', right, np.random.default_rng(seed))
        assert pair.frame.right is right
        for y, x in np.argwhere(pair.matched)[::97]:
            column = x - pair.disparity[y, x]
            before = min(int(column), 88)
            share = column - before
            expected = (1 - share) * right[y, before] + share * right[y, before + 1]
            assert np.abs(pair.frame.left[y, x] - expected).max() < 12
        np.testing.assert_array_equal(pair.matched, np.isfinite(pair.disparity))
        assert pair.matched.mean() > 0.5


def test_surfaces_differ_and_stay_in_their_range():
    surfaces = [random_surface(40, 80, np.random.default_rng(seed)) for seed in range(20)]
    assert all(surface.dtype == np.float32 for surface in surfaces)
    assert min(surface.min() for surface in surfaces) >= 0
    assert max(surface.max() for surface in surfaces) <= 80 * LARGEST_SHARE
    assert np.std([surface.mean() for surface in surfaces]) > 0.5
    # things stand before each other: there are steps
    assert max(np.abs(np.diff(surface, axis=1)).max() for surface in surfaces) > 3


def test_photographs_are_warped_alike_at_every_call_and_in_another_way_by_each_variant(tmp_path):
    for number in range(5):
        cv2.imwrite(str(tmp_path / f'{number}.png'), photograph())
    pairs = WarpedPhotographs(tmp_path, 'train', variants=3)
    assert len(pairs) == 12
    assert len(WarpedPhotographs(tmp_path, 'val')) == 1
    first, again, variant = pairs[0], pairs[0], pairs[4]
    np.testing.assert_array_equal(first.disparity, again.disparity)
    assert first.name == variant.name
    assert not np.array_equal(first.disparity, variant.disparity, equal_nan=True)
    with pytest.raises(IndexError):
        pairs[3 * 5]
