# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.augmentation import MEAN_PIXEL, Augmentation, CameraLook

UNKNOWN = 200
HEIGHT, WIDTH = 60, 80
OTHER_CAMERA = CameraLook(0.5, 0.5, 0.2, 0.8)


def _coordinates():
    """Red is three times the column and green four times the row."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([3 * columns, 4 * rows, np.full_like(rows, 128)], -1).astype(np.uint8)
    return image, rows, columns


def _view(augmentation, seed, targets, metres=None, image=None):
    coordinates, _, _ = _coordinates()
    return augmentation.view(
        coordinates if image is None else image, targets.astype(np.uint8), metres, UNKNOWN,
        np.random.default_rng(seed))


@pytest.mark.parametrize('scales', [(1.0, 1.0), (1.37, 1.37), (0.61, 0.61), (0.5, 2.0)])
@pytest.mark.parametrize('seed', range(6))
def test_image_targets_and_metres_show_the_same_place(scales, seed):
    """The mean error of many pixels tells half a pixel of misalignment."""
    _, rows, columns = _coordinates()
    augmentation = Augmentation(48, 56, *scales)
    by_row = _view(augmentation, seed, rows, columns.astype(np.float32) + 1)
    by_column = _view(augmentation, seed, columns)
    inside = by_row.targets != UNKNOWN
    np.testing.assert_array_equal(inside, by_column.targets != UNKNOWN)
    np.testing.assert_array_equal(by_row.image, by_column.image)
    red, green = (by_row.image[..., channel][inside].astype(float) for channel in (0, 1))
    row_error = by_row.targets[inside] - green / 4
    column_error = by_column.targets[inside] - red / 3
    assert np.abs(row_error).max() < 1.6
    assert np.abs(column_error).max() < 1.6
    assert abs(row_error.mean()) < 0.12
    assert abs(column_error.mean()) < 0.12
    scale = by_row.pixels_per_metre[inside] / (by_column.targets[inside] + 1.0)
    assert scale.std() < 1e-5 * scale.mean()
    assert scales[0] - 1e-5 <= scale.mean() <= scales[1] + 1e-5


def test_metre_grows_with_the_image():
    """The image is wider by the factor that multiplies the metres."""
    _, _, columns = _coordinates()
    metres = np.full((HEIGHT, WIDTH), 10, np.float32)
    for seed in range(8):
        view = _view(Augmentation(120, 160, 0.5, 2.0), seed, columns, metres)
        inside = view.targets != UNKNOWN
        width = inside.any(0).sum()
        assert width / WIDTH == pytest.approx(np.nanmax(view.pixels_per_metre) / 10, rel=0.02)


def test_outside_of_the_image_is_mean_colour_and_unknown_whatever_the_colours_do():
    _, rows, _ = _coordinates()
    metres = np.ones((HEIGHT, WIDTH), np.float32)
    corners = set()
    for seed in range(12):
        view = _view(
            Augmentation(100, 130, 0.5, 1.0, OTHER_CAMERA), seed, 0 * rows, metres)
        outside = view.targets == UNKNOWN
        assert outside.sum() >= 100 * 130 - HEIGHT * WIDTH
        assert (view.image[outside] == MEAN_PIXEL).all()
        assert np.isnan(view.pixels_per_metre[outside]).all()
        assert not np.isnan(view.pixels_per_metre[~outside]).any()
        corners.add((outside[0].all(), outside[:, 0].all(), outside[-1].all()))
    assert len(corners) > 1 or corners == {(True, True, True)}
    np.testing.assert_array_equal(MEAN_PIXEL, [124, 116, 104])


def test_unknown_depth_and_unlabelled_pixels_stay_so():
    _, rows, _ = _coordinates()
    metres = np.where(rows < 30, np.nan, 5).astype(np.float32)
    view = _view(Augmentation(40, 40, 0.7, 1.5), 3, np.where(rows < 30, 255, 1), metres)
    inside = view.targets != UNKNOWN
    np.testing.assert_array_equal(
        np.isnan(view.pixels_per_metre[inside]), view.targets[inside] == 255)


def test_same_seed_gives_the_same_view_and_another_seed_another():
    _, rows, _ = _coordinates()
    augmentation = Augmentation(32, 32, 0.5, 2.0, OTHER_CAMERA)
    first, again, other = (_view(augmentation, seed, rows) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert (first.image != other.image).any()


def test_half_of_the_views_are_mirrored_and_crops_lie_anywhere():
    _, _, columns = _coordinates()
    rising, left = [], []
    for seed in range(200):
        targets = _view(Augmentation(40, 40, 1.0, 1.0), seed, columns).targets.astype(int)
        rising.append(targets[0, -1] > targets[0, 0])
        left.append(targets[0].min())
    assert 0.4 < np.mean(rising) < 0.6
    assert set(left) == set(range(WIDTH - 40 + 1))


def test_scales_are_spread_evenly_on_a_logarithmic_axis():
    _, rows, _ = _coordinates()
    ones = np.ones((HEIGHT, WIDTH), np.float32)
    scales = [
        np.nanmax(_view(Augmentation(8, 8, 0.5, 2.0), seed, rows, ones).pixels_per_metre)
        for seed in range(300)]
    counts = np.histogram(np.log2(scales), bins=4, range=(-1, 1))[0]
    assert counts.sum() == 300
    assert counts.min() > 50


def test_the_look_of_the_camera_changes_no_target_and_moves_nothing():
    _, rows, columns = _coordinates()
    metres = columns.astype(np.float32) + 1
    for seed in range(6):
        plain = _view(Augmentation(48, 56), seed, rows, metres)
        other = _view(Augmentation(48, 56, look=OTHER_CAMERA), seed, rows, metres)
        assert (plain.image != other.image).any()
        np.testing.assert_array_equal(plain.targets, other.targets)
        np.testing.assert_array_equal(plain.pixels_per_metre, other.pixels_per_metre)


def test_without_a_look_colours_are_those_of_the_image():
    _, rows, _ = _coordinates()
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    view = _view(Augmentation(HEIGHT, WIDTH, 1.0, 1.0), 0, rows, image=image)
    assert any(np.array_equal(view.image, seen) for seen in (image, image[:, ::-1]))
