# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.foreign import write_msrc_v2, write_plain_images
from data.fixtures.written import write_image
import numpy as np
import pytest

from ldn_perception.data.everyday_images import MsrcV2, PlainImages
from ldn_perception.data.labelled_images import WhollyForeign
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import UNIVERSAL, Domain
from ldn_perception.taxonomy.everyday import FOREIGN_SCENE_TO_UNIVERSAL


def test_every_pixel_is_foreign_also_where_the_labels_are_void(tmp_path):
    write_msrc_v2(tmp_path)
    plain = MsrcV2(tmp_path, 'all')
    foreign = WhollyForeign(plain)
    assert (plain[0].labels == 255).any()
    assert len(foreign) == len(plain)
    assert not foreign[0].labels.any()
    assert foreign[0].negative
    assert not plain[0].negative
    np.testing.assert_array_equal(foreign[0].image, plain[0].image)
    assert foreign[0].name == plain[0].name


def test_a_foreign_scene_may_be_any_foreign_class_and_no_other():
    allowed = FOREIGN_SCENE_TO_UNIVERSAL.table[0]
    assert [info.domain is Domain.FOREIGN for info in UNIVERSAL.classes] == allowed.tolist()


def test_plain_photographs_are_foreign_whatever_lies_beside_them(tmp_path):
    write_plain_images(tmp_path)
    dataset = PlainImages(tmp_path, 'all')
    assert [dataset[index].name for index in range(len(dataset))] == ['kitchen', 'office']
    assert dataset[1].negative
    assert not dataset[1].labels.any()


def test_photographs_in_a_folder_images_are_split_by_name(tmp_path):
    for number in range(5):
        write_image(tmp_path / f'images/{number}.jpg')
    assert PlainImages(tmp_path, 'val')[0].name == 'images/4'
    assert len(PlainImages(tmp_path, 'train')) == 4


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / 'notes.txt').write_text('nothing to see')
    with pytest.raises(DatasetError, match=r'must be a folder with NAME\.jpg, \.png or \.webp in '
                       r'it, or in a folder images, got no photograph: correct the path'):
        PlainImages(tmp_path, 'all')


def test_the_real_rooms_are_read(real_data):
    dataset = PlainImages(real_data / 'indoor', 'all')
    assert len(dataset) == 8
    assert dataset[0].image.shape[2] == 3
