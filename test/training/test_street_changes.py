# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from training.street_changes import FOREST, GREEN, forest, pasting

from ldn_perception.errors import DatasetError
from ldn_perception.training.street_changes import (
    Resurfacing,
    RoadPainting,
    SceneryChange,
    ScenerySource,
)

GROUND = np.arange(256) == 1
ROAD = 6
CHANGES = {
    'resurfacing': lambda share: Resurfacing(share, GROUND),
    'scenery': lambda share: forest(share, GROUND),
    'road painting': lambda share: RoadPainting(share, GROUND, ROAD),
    'pasting': pasting,
}


def _street(size=(96, 128), ground_row=40):
    labels = np.zeros(size, np.uint8)
    labels[ground_row:] = 1
    return np.full((*size, 3), 100, np.uint8), labels + 2, labels


@pytest.mark.parametrize('build', CHANGES.values(), ids=CHANGES)
class TestStreetChangeContract:
    def test_what_comes_out_is_like_what_went_in_which_stays(self, build):
        image, targets, labels = _street()
        before = image.copy(), targets.copy(), labels.copy()
        for seed in range(10):
            seen, aims = build(1.0).apply(image, targets, labels, np.random.default_rng(seed))
            assert (seen.shape, seen.dtype) == (image.shape, np.uint8)
            assert (aims.shape, aims.dtype) == (targets.shape, np.uint8)
            assert not np.array_equal(seen, image)
        for one, other in zip((image, targets, labels), before, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_targets_change_only_where_the_image_does(self, build):
        image, targets, labels = _street()
        for seed in range(10):
            seen, aims = build(1.0).apply(image, targets, labels, np.random.default_rng(seed))
            changed = aims != targets
            if changed.any():
                assert (seen[changed] != image[changed]).any(-1).mean() > 0.9

    def test_a_share_of_the_images_changes(self, build):
        street = _street((48, 64), 20)
        changed = [
            not np.array_equal(
                build(0.3).apply(*street, np.random.default_rng(seed))[0], street[0])
            for seed in range(200)]
        assert 0.2 < np.mean(changed) < 0.4
        for seed in range(20):
            image, targets = build(0.0).apply(*street, np.random.default_rng(seed))
            assert image is street[0]
            assert targets is street[1]

    def test_a_seed_says_what_comes_out(self, build):
        street = _street()
        results = [build(1.0).apply(*street, np.random.default_rng(7)) for _ in range(2)]
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)


def test_things_of_all_sources_are_pasted_and_little_beside_them_changes():
    image, targets, labels = _street()
    kinds = set()
    for seed in range(8):
        seen, aims = pasting(1.0).apply(image, targets, labels, np.random.default_rng(seed))
        pasted = aims != targets
        assert pasted.any()
        kinds |= set(np.unique(aims[pasted]).tolist())
        assert (seen != image).any(-1).sum() < 1.5 * pasted.sum() + 200
    assert kinds == {5, 6}


def test_pasted_things_stand_on_the_ground():
    labels = np.zeros((96, 128), np.uint8)
    labels[70:90, 40:60] = 1
    image = np.full((96, 128, 3), 100, np.uint8)
    for seed in range(5):
        _, targets = pasting(1.0).apply(image, labels, labels, np.random.default_rng(seed))
        lowest = np.flatnonzero((targets >= 5).any(1)).max()
        assert 68 <= lowest <= 90


def test_only_the_road_is_resurfaced_and_it_stays_a_road():
    image, targets, labels = _street()
    seen, aims = Resurfacing(1.0, GROUND).apply(
        image, targets, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(aims, targets)
    assert (seen[:34] == image[:34]).all()


def test_scenery_changes_image_and_targets_in_the_same_places():
    image, targets, labels = _street()
    seen, aims = forest(1.0, GROUND).apply(image, targets, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(aims, np.where(labels == 1, FOREST, targets))
    np.testing.assert_array_equal(seen[44:], np.broadcast_to(GREEN, seen[44:].shape))
    np.testing.assert_array_equal(seen[:36], image[:36])


def test_painted_road_has_the_target_of_a_road():
    image, targets, labels = _street()
    _, aims = RoadPainting(1.0, GROUND, ROAD).apply(
        image, targets, labels, np.random.default_rng(0))
    assert set(np.unique(aims[labels == 1])) == {3, ROAD}
    assert set(np.unique(aims[labels == 0])) == {2}


def test_damaged_photograph_of_scenery_is_a_dataset_error():
    class Damaged:
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise DatasetError('file x.png', must_be='whole', got='half', do='copy it again')

    change = SceneryChange(
        1.0, [ScenerySource(Damaged(), np.zeros(256, np.uint8), GROUND)], GROUND)
    with pytest.raises(DatasetError, match=r'file x\.png must be whole, got half: copy it again'):
        change.apply(*_street(), np.random.default_rng(0))
