# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from ldn_perception.data.road_changes import LARGEST_GAIN, resurface

HEIGHT, WIDTH = 96, 160
GROUND = np.zeros((HEIGHT, WIDTH), np.bool_)
GROUND[40:] = True


def _surfaces(image, ground=GROUND, seeds=60):
    return [resurface(image, ground, np.random.default_rng(seed)) for seed in range(seeds)]


def _grey(value):
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def _log_changes(value=60):
    """Logarithms of what the inside of the ground was multiplied with, by seed."""
    return np.log([
        np.maximum(surface[46:], 1) / value for surface in _surfaces(_grey(value))])


def test_only_the_ground_changes():
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    before = image.copy()
    for surface in _surfaces(image):
        assert surface.dtype == np.uint8
        np.testing.assert_array_equal(surface[:35], image[:35])
        assert (surface[46:] != image[46:]).any()
    np.testing.assert_array_equal(image, before)


def test_an_image_without_ground_stays_as_it_is():
    image = _grey(100)
    assert resurface(image, np.zeros_like(GROUND), np.random.default_rng(0)) is image


def test_one_row_of_ground_at_the_bottom_is_enough():
    ground = np.zeros_like(GROUND)
    ground[-1] = True
    assert (resurface(_grey(100), ground, np.random.default_rng(0))[-1] != 100).any()


def test_brightness_reaches_far_to_both_sides_but_not_beyond_its_bounds():
    brightness = _log_changes().mean((1, 2, 3))
    tints = 0.3
    assert -LARGEST_GAIN - tints < brightness.min() < -0.6 * LARGEST_GAIN
    assert 0.6 * LARGEST_GAIN < brightness.max() < LARGEST_GAIN + tints


def test_surfaces_differ_in_tint_and_roughness():
    changes = _log_changes()
    tints = np.ptp(changes.mean((1, 2)), axis=-1)
    roughness = changes[:, -20:, :, 1].std((1, 2))
    assert tints.min() < 0.1 < 0.3 < tints.max()
    assert roughness.min() < 0.05 < 0.25 < roughness.max()


def test_what_was_painted_on_the_road_stays():
    """Every pixel is multiplied, so a marking stays as much lighter as it was."""
    plain, marked = _grey(40), _grey(40)
    marked[60:, 70:80] = 80
    for bare, painted in zip(_surfaces(plain), _surfaces(marked), strict=True):
        expected = np.minimum(2.0 * bare[64:, 72:78], 255)
        np.testing.assert_allclose(painted[64:, 72:78].astype(float), expected, atol=1.5)


def test_the_relief_is_coarser_near_the_camera():
    changes = _log_changes()[..., 1]

    def fineness(rows):
        part = changes[:, rows]
        part = part[part.std((1, 2)) > 0.05]
        return (np.abs(np.diff(part, axis=2)).mean((1, 2)) / part.std((1, 2))).mean()

    assert fineness(slice(4, 12)) > 1.3 * fineness(slice(-12, None))
