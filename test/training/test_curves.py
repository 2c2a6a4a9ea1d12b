# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from ldn_perception.training.curves import draw_curves
from ldn_perception.training.training_files import StepRecord, ValidationRecord


def _steps(count, auxiliary=2.0):
    return [
        StepRecord(i, i // 10, 1e-3 / (1 + i), 3 / (1 + i), 3 / (1 + i), auxiliary, 0.1)
        for i in range(count)]


@pytest.mark.parametrize('count', [1, 3, 1500])
@pytest.mark.parametrize('auxiliary', [0.0, 2.0])
def test_picture_has_curves(tmp_path, count, auxiliary):
    draw_curves(_steps(count, auxiliary), [], tmp_path / 'curves.png')
    picture = cv2.imread(str(tmp_path / 'curves.png'))
    assert picture.shape[0] > 400
    assert picture.shape[1] > 800
    blue = (picture[..., 0] > picture[..., 2].astype(int) + 60).sum()
    assert blue > (300 if count > 1 else 20)


def test_validation_is_drawn_below(tmp_path):
    steps = _steps(30)
    scores = [
        ValidationRecord(step, step // 10, name, value, value)
        for step in (9, 19, 29) for name, value in (('one', step / 40), ('two', 0.3))]
    draw_curves(steps, [], tmp_path / 'without.png')
    draw_curves(steps, scores, tmp_path / 'with.png')
    without, with_scores = (
        cv2.imread(str(tmp_path / f'{name}.png')) for name in ('without', 'with'))
    assert with_scores.shape[0] > without.shape[0] + 50
    bottom = with_scores[-with_scores.shape[0] // 3:].astype(int)
    orange = (bottom[..., 2] > bottom[..., 0] + 100) & (bottom[..., 1] > 80)
    assert orange.sum() > 100  # the second data set
    assert np.ptp(bottom) > 200
