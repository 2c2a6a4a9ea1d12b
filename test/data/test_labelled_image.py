# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.labelled_images import LabelledImage
from ldn_perception.errors import DatasetError

IMAGE = np.zeros((4, 6, 3), np.uint8)
LABELS = np.zeros((4, 6), np.uint8)


def test_an_image_needs_only_its_labels():
    image = LabelledImage('a', IMAGE, LABELS)
    assert image.pixels_per_metre is None
    assert image.instances is None
    assert not image.negative


def test_whole_record_is_kept():
    image = LabelledImage('a', IMAGE, LABELS, LABELS.astype(np.float32), LABELS.astype(np.int32),
                          negative=True)
    assert image.pixels_per_metre.shape == image.instances.shape == (4, 6)
    assert image.negative


@pytest.mark.parametrize(('fields', 'sentence'), [
    ({'image': IMAGE[..., 0]}, r'image of a must be \(4, 6, 3\) uint8, got \(4, 6\) uint8'),
    ({'image': IMAGE.astype(float)}, 'image of a must be .* uint8, got .* float64'),
    ({'labels': LABELS[1:]}, r'labels of a must be \(4, 6\) uint8, got \(3, 6\) uint8'),
    ({'labels': LABELS.astype(np.int64)}, 'labels of a must be .* uint8, got .* int64'),
    ({'pixels_per_metre': LABELS}, 'pixels_per_metre of a must be .* float32, got .* uint8'),
    ({'instances': LABELS}, 'instances of a must be .* int32, got .* uint8'),
])
def test_parts_that_do_not_fit_are_refused(fields, sentence):
    with pytest.raises(DatasetError, match=sentence):
        LabelledImage(**{'name': 'a', 'image': IMAGE, 'labels': LABELS, **fields})
