# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
from PIL import Image
import pytest

from ldn_perception.data.everyday_images import MsrcV2
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.everyday import MSRC_V2


@pytest.fixture
def folder(tmp_path):
    for kind in ('images', 'labels'):
        (tmp_path / kind).mkdir()
    for number in range(1, 6):
        cv2.imwrite(str(tmp_path / f'images/{number}_s.jpg'), np.full((2, 3, 3), 40, np.uint8))
        indexed = Image.fromarray(np.array([[0, 1, 23], [4, 4, number]], np.uint8), 'P')
        indexed.putpalette([200, 10, 10] * 256)
        indexed.save(tmp_path / f'labels/{number}_s.png')
    return tmp_path


def test_palette_indices_become_classes_whatever_the_palette(folder):
    sample = MsrcV2(folder, 'val')[0]
    assert sample.name == 'images/5_s'
    names = MSRC_V2.class_names
    assert sample.labels.tolist() == [
        [255, names.index('building'), names.index('boat')],
        [names.index('cow'), names.index('cow'), names.index('horse')]]


def test_train_and_val_share_no_photograph(folder):
    train, val = MsrcV2(folder, 'train'), MsrcV2(folder, 'val')
    assert (len(train), len(val), len(MsrcV2(folder, 'all'))) == (4, 1, 5)
    assert val[0].name not in {train[index].name for index in range(len(train))}


def test_a_missing_label_image_is_named(folder):
    (folder / 'labels/3_s.png').unlink()
    with pytest.raises(DatasetError, match=r'labels/3_s\.png must be there, in a layout of '
                       r'images/NAME\.jpg and labels/NAME\.png with the class number'):
        MsrcV2(folder, 'train')


def test_an_unknown_class_number_is_refused(folder):
    Image.fromarray(np.full((2, 3), 24, np.uint8)).save(folder / 'labels/1_s.png')
    with pytest.raises(DatasetError, match=r'1_s\.png must be class numbers 1 to 23 and 0 for '
                       r'void, got the ids \[24\]'):
        MsrcV2(folder, 'train')[0]


def test_the_real_palette_has_the_colours_of_the_taxonomy(real_data):
    path = next((real_data / 'foreign_msrc_v2' / 'labels').glob('*.png'))
    palette = np.array(Image.open(path).getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(palette[1:24], MSRC_V2.palette[:23])
    assert len(MsrcV2(real_data / 'foreign_msrc_v2', 'all')) == 501
