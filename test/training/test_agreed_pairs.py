# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest
from stereo_frames import texture
import torch

from ldn_perception.errors import DatasetError
from ldn_perception.training.correspondence_pairs import AgreedPairs, agreed_disparity
from ldn_perception.training.correspondence_trainer import AGREED, open_domains, teachers
from ldn_perception.training.recipe import PairDomain
from ldn_perception.types import DisparityMap

SHIFT_PX = 12


class Teacher:
    """Says the same of every pair, and counts how often it is asked."""

    def __init__(self, values):
        self.values, self.asked = values, 0

    def match(self, frame):
        self.asked += 1
        return DisparityMap(torch.from_numpy(self.values), 0, 63)


def write_pair(left, right, shape=(48, 160)):
    wide = texture(shape[1] + SHIFT_PX, shape[0])
    for path, image in ((left, wide[:, :shape[1]]), (right, wide[:, SHIFT_PX:])):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)


@pytest.fixture
def drive(tmp_path):
    for name in ('000000.png', '000001.png'):
        write_pair(tmp_path / 'image_l' / name, tmp_path / 'image_r' / name)
    write_calibration(tmp_path)
    return tmp_path


def write_calibration(folder):
    (folder / 'calib.json').write_text(json.dumps(
        {'fx': 100, 'fy': 100, 'cx': 80, 'cy': 24, 'baseline_m': 0.5}))


def constant(value):
    return np.full((48, 160), value, np.float32)


def test_a_pixel_is_known_where_all_agree_and_has_the_first_one():
    maps = [np.array([[5, 5, 5, np.nan, 5, 7.25]], np.float32),
            np.array([[5.5, 6.5, np.nan, 5, 6, 7.25]], np.float32),
            np.array([[4.5, 5, 5, 5, 6.1, 7.5]], np.float32)]
    np.testing.assert_array_equal(
        agreed_disparity(maps), np.array([[5, np.nan, np.nan, np.nan, np.nan, 7.25]], np.float32))


def test_teachers_are_asked_once_for_a_pair(drive):
    values = constant(9.0)
    values[:, 100:] = 20
    both = [Teacher(values), Teacher(constant(9.5))]
    pairs = AgreedPairs(drive, both)
    assert len(pairs) == 2
    for _ in range(2):
        pair = pairs[1]
    assert [teacher.asked for teacher in both] == [1, 1]
    assert pair.name == '000001'
    assert (pair.disparity[:, :100] == 9).all()
    assert np.isnan(pair.disparity[:, 100:]).all()
    np.testing.assert_array_equal(pair.matched, np.isfinite(pair.disparity))
    with pytest.raises(IndexError):
        pairs[2]


def test_a_folder_may_hold_a_single_pair(tmp_path):
    write_pair(tmp_path / 'left.png', tmp_path / 'right.png')
    write_calibration(tmp_path)
    pairs = AgreedPairs(tmp_path, [Teacher(constant(3.0)), Teacher(constant(3.0))])
    assert len(pairs) == 1
    assert (pairs[0].disparity == 3).all()


def test_the_recipes_teachers_see_the_true_disparity(drive):
    # the images are wider than the search of the teachers
    domain, = open_domains('domains', (PairDomain(AGREED, '.'),), drive)
    known = domain.pairs[0].disparity[:, SHIFT_PX + 8:]
    assert np.isfinite(known).mean() > 0.8
    assert np.abs(known[np.isfinite(known)] - SHIFT_PX).max() < 0.5
    assert len(teachers()) == 2


def test_a_missing_right_image_is_named(drive):
    (drive / 'image_r' / '000001.png').unlink()
    with pytest.raises(DatasetError, match=r'image_r/000001\.png'):
        AgreedPairs(drive, [])
