# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from ldn_perception.data.augmentation import CameraLook

HEIGHT, WIDTH = 40, 60


def _flat(*colour):
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def _noise(seed=0):
    return np.random.default_rng(seed).integers(64, 192, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def _seen(look, image, seeds=100):
    return [look.seen(image, np.random.default_rng(seed)) for seed in range(seeds)]


def test_the_plain_look_is_the_image_itself():
    image = _noise()
    np.testing.assert_array_equal(CameraLook().seen(image, np.random.default_rng(0)), image)


def test_grey_share_takes_the_colour_of_that_part_of_the_images():
    grey = [
        (np.ptp(seen.astype(int), axis=-1) == 0).all()
        for seen in _seen(CameraLook(grey_share=0.3), _noise())]
    assert 0.2 < np.mean(grey) < 0.4
    weighted = np.array([0.299, 0.587, 0.114]) @ [200, 100, 50]
    seen = _seen(CameraLook(grey_share=1.0), _flat(200, 100, 50), seeds=1)[0]
    np.testing.assert_allclose(seen, weighted, atol=0.51)


def test_jitter_stays_within_its_bounds_and_reaches_far_into_them():
    """Saturation changes nothing of grey, contrast nothing of the mean of these two."""
    jitter, changes = 0.2, {'brightness': [], 'contrast': []}
    image = _flat(100, 100, 100)
    image[:, WIDTH // 2:] = 155
    for seen in _seen(CameraLook(jitter), image):
        dark, light = sorted(set(np.unique(seen[..., 0]).tolist()))
        changes['brightness'].append((dark + light) / 2 / 127.5 - 1)
        changes['contrast'].append((light - dark) / 55 - 1)
    for values in changes.values():
        assert -jitter - 0.02 <= min(values) < -0.8 * jitter
        assert 0.8 * jitter < max(values) <= jitter + 0.02
    saturations = [
        float(seen[0, 0, 0]) - float(seen[0, 0, 2])
        for seen in _seen(CameraLook(jitter), _flat(150, 120, 90))]
    assert 60 * (1 - jitter) ** 2 - 1 <= min(saturations) < 55
    assert 65 < max(saturations) <= 60 * (1 + jitter) ** 2 + 1


def test_white_balance_multiplies_each_colour_by_a_gain_of_its_own():
    gains = np.array([
        seen[0, 0] / 100.0
        for seen in _seen(CameraLook(white_balance=0.3), _flat(100, 100, 100), seeds=300)])
    logs = np.log(gains)
    assert -0.31 < logs.min() < -0.28
    assert 0.28 < logs.max() < 0.31
    assert np.abs(logs.mean(0)).max() < 0.04
    assert np.abs(np.corrcoef(logs.T) - np.eye(3)).max() < 0.2
    seen = CameraLook(white_balance=0.3).seen(_noise(), np.random.default_rng(1))
    expected = np.minimum(255, _noise() * gains[1])
    assert np.abs(seen - expected).max() < 2.0


def test_a_grey_camera_has_no_cast():
    for seen in _seen(CameraLook(grey_share=1.0, white_balance=0.5), _noise(), seeds=5):
        assert (np.ptp(seen.astype(int), axis=-1) == 0).all()


def test_sharpness_changes_fine_detail_by_up_to_its_part_and_flat_places_not_at_all():
    """Of a pattern this fine a blur of one pixel leaves nothing, so the detail is all of it."""
    image = _flat(100, 100, 100)
    image[(np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 2).astype(bool)] = 140
    inside = (slice(5, -5), slice(5, -5))
    parts = [seen[inside].std() / 20 for seen in _seen(CameraLook(sharpness=0.5), image)]
    assert 0.48 < min(parts) < 0.56
    assert 1.44 < max(parts) < 1.52
    for seen in _seen(CameraLook(sharpness=1.0), _flat(7, 130, 250), seeds=10):
        np.testing.assert_array_equal(seen, _flat(7, 130, 250))
