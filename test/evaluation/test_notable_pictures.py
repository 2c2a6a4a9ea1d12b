# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from ldn_perception.evaluation.replay_checkpoint import NotablePictures


def picture(value):
    return np.full((8, 8, 3), value, np.uint8)


def test_three_of_each_kind_stay_whatever_the_order():
    accuracies = np.random.default_rng(0).permutation(40) / 40
    found, drawn = NotablePictures(), []

    def draw(index):
        drawn.append(index)
        return picture(index)

    for index, accuracy in enumerate(accuracies):
        found.offer(index, float(accuracy), float(1 - accuracy), lambda index=index: draw(index))
    order = np.argsort(accuracies).tolist()
    assert [entry.index for entry in found.of('worst')] == order[:3]
    assert [entry.index for entry in found.of('best')] == order[:-4:-1]
    assert [entry.index for entry in found.of('foreign')] == order[:3]
    assert len(found.kept) == 9
    assert len(drawn) == len(set(drawn)) < 30  # most pairs are never drawn


def test_of_equals_the_earlier_pair_stays():
    found = NotablePictures()
    for index in range(6):
        found.offer(index, 0.5, 0.5, lambda: picture(0))
    for kind in ('best', 'worst', 'foreign'):
        assert [entry.index for entry in found.of(kind)] == [0, 1, 2]


def test_without_ground_truth_or_foreign_probability_nothing_is_drawn(tmp_path):
    found = NotablePictures()
    found.offer(0, None, 0.0, lambda: picture(0))
    assert found.kept == []
    found.offer(1, None, 0.2, lambda: picture(200))
    found.write(tmp_path / 'pictures')
    assert [path.name for path in (tmp_path / 'pictures').iterdir()] == ['foreign_1.jpg']
    stored = cv2.imread(str(tmp_path / 'pictures' / 'foreign_1.jpg'))
    assert abs(stored.astype(int) - 200).max() <= 2
    assert found.to_json() == [
        {'file': 'foreign_1.jpg', 'kind': 'foreign', 'value': 0.2, 'index': 1}]
