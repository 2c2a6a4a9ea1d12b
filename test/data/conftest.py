# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import numpy as np
import pytest

from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.types import CameraGeometry, StereoFrame

GEOMETRY = CameraGeometry(12, 8, 50.0, 51.0, 6.5, 4.25, 6.5, 0.12)


@pytest.fixture
def make_sample():
    """Builder of a reproducible random sample with all ground truth."""

    def build(stamp_ns, *, grey=False, geometry=GEOMETRY):
        random = np.random.default_rng(stamp_ns % 2**32)
        height, width = geometry.shape
        left, right = random.integers(0, 256, (2, height, width, 3), np.uint8)
        if grey:
            left, right = (np.repeat(image[..., :1], 3, axis=2) for image in (left, right))
        disparity = random.uniform(0.5, 90, (height, width)).astype(np.float32)
        disparity[random.random((height, width)) < 0.2] = np.nan
        labels = random.integers(0, 19, (height, width), np.uint8)
        labels[0] = 255
        return StereoSample(
            StereoFrame(stamp_ns, 'left_optical', left, right, geometry),
            labels, random.random((height, width)) < 0.3, disparity,
        )

    return build


@pytest.fixture
def data_folder():
    """Folder with the real pairs; a test that needs it is skipped without it."""
    beside = Path(__file__).resolve().parents[3] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside))
    if not folder.is_dir():
        pytest.skip(f'no real pairs in {folder}; set LDN_DATA to the folder that holds them')
    return folder
