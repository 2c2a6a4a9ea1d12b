# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from ldn_perception.evaluation.figures import draw_confusion, draw_ood_curves, draw_reliability
from ldn_perception.metrics.ood import OodScores
from ldn_perception.metrics.segmentation_scores import CalibrationError


@pytest.fixture
def curve():
    random = np.random.default_rng(0)
    foreign = random.random((40, 50)) < 0.2
    pool = OodScores()
    pool.accumulate(random.normal(foreign * 2.0).astype(np.float32), foreign)
    return pool.curve()


def read(path):
    image = cv2.imread(str(path))
    assert image is not None
    return image


def has_color(image, rgb):
    return (np.abs(image[..., ::-1].astype(int) - rgb).max(-1) <= 2).any()


def test_confusion_matrix_is_dark_where_a_class_is_right_and_copes_with_an_absent_one(tmp_path):
    right, wrong = np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64)
    right[0, 0] = wrong[0, 2] = 5
    for name, counts in (('right', right), ('wrong', wrong)):
        draw_confusion(tmp_path / f'{name}.png', counts, ('road', 'sky'), 'a network')
    dark = (8, 48, 107)
    columns = [np.argwhere(np.abs(read(tmp_path / f'{name}.png')[..., ::-1].astype(int) - dark)
                            .max(-1) <= 2)[:, 1].mean() for name in ('right', 'wrong')]
    assert columns[0] < columns[1]


def test_ood_curves_have_a_line_for_every_score(tmp_path, curve):
    draw_ood_curves(
        tmp_path / 'curves.png', {'a': curve, 'b': curve}, {'a': 'a: 1', 'b': 'b: 2'}, 'title')
    image = read(tmp_path / 'curves.png')
    assert image.shape[1] > 1000
    assert has_color(image, (0x1f, 0x77, 0xb4))
    assert has_color(image, (0xff, 0x7f, 0x0e))


def test_reliability_is_drawn_even_of_nothing(tmp_path):
    error = CalibrationError()
    draw_reliability(tmp_path / 'empty.png', error.bins, error.value, 'title')
    error.accumulate(np.array([0.2, 0.9], np.float32), np.array([False, True]))
    draw_reliability(tmp_path / 'some.png', error.bins, error.value, 'title')
    assert not np.array_equal(read(tmp_path / 'empty.png'), read(tmp_path / 'some.png'))
