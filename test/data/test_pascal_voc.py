# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.foreign import write_pascal_voc
from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.everyday_images import PascalVoc
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import PASCAL_VOC


def bitwise_palette(count):
    """Colours as the development kit makes them: bits of the id, dealt out to R, G and B."""
    palette = np.zeros((count, 3), np.uint8)
    for index in range(count):
        for place in range(24):
            bit = index >> place & 1
            palette[index, place % 3] |= bit << (7 - place // 3)
    return palette


def test_the_colours_are_those_of_the_development_kit():
    np.testing.assert_array_equal(PASCAL_VOC.palette[:21], bitwise_palette(21))


def test_the_list_says_which_photographs_are_in_a_split(tmp_path):
    write_pascal_voc(tmp_path)
    (tmp_path / 'ImageSets/Segmentation/val.txt').write_text('2012_000001\n\n')
    write_plane(tmp_path / 'SegmentationClass/2012_000001.png', cycle([0, 15, 255]))
    assert len(PascalVoc(tmp_path, 'trainaug')) == 2
    val = PascalVoc(tmp_path, 'val')
    assert [val[index].name for index in range(len(val))] == ['JPEGImages/2012_000001']
    np.testing.assert_array_equal(val[0].labels, cycle([0, 15, 255]))
    assert val[0].instances is None


def test_a_list_of_paths_names_the_same_photographs(tmp_path):
    write_pascal_voc(tmp_path)
    (tmp_path / 'ImageSets/Segmentation/trainaug.txt').write_text(
        '/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png\n')
    assert PascalVoc(tmp_path, 'trainaug')[0].name == 'JPEGImages/2007_000032'


def test_objects_are_numbered_where_the_files_are_there(tmp_path):
    write_pascal_voc(tmp_path)
    write_plane(tmp_path / 'SegmentationObject/2007_000032.png', cycle([0, 1, 2, 255]))
    dataset = PascalVoc(tmp_path, 'trainaug')
    np.testing.assert_array_equal(dataset[0].instances, cycle([0, 1, 2, 0]))
    assert dataset[1].instances is None


def test_a_missing_list_is_named_with_the_layout(tmp_path):
    write_image(tmp_path / 'JPEGImages/1.jpg')
    with pytest.raises(DatasetError, match=r'Segmentation/trainaug\.txt must be a list of names, '
                       r'in a layout of JPEGImages/NAME\.jpg.*got no file'):
        PascalVoc(tmp_path, 'trainaug')


def test_an_empty_list_is_refused(tmp_path):
    write_pascal_voc(tmp_path)
    (tmp_path / 'ImageSets/Segmentation/trainaug.txt').write_text(' \n')
    with pytest.raises(DatasetError, match=r"trainaug\.txt must be .* got ValueError\('no names'"):
        PascalVoc(tmp_path, 'trainaug')


def test_a_photograph_of_the_list_that_is_missing_is_named(tmp_path):
    written = write_pascal_voc(tmp_path)
    written.image_files[1].unlink()
    with pytest.raises(DatasetError, match=r'2008_000002\.jpg must be there'):
        PascalVoc(tmp_path, 'trainaug')
