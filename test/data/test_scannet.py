# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import shutil

from data.fixtures.foreign import write_scannet
from data.fixtures.written import write_plane
import numpy as np
import pytest

from ldn_perception.data.everyday_images import ScanNet
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import ROB2018, SCANNET, UNIVERSAL
from ldn_perception.taxonomy.mappings import label_mapping

NYU40 = {'indoor wall': 1, 'floor': 2, 'bookshelf': 10, 'counter': 12, 'desk': 14, 'curtain': 16,
         'refrigerator': 24, 'shower curtain': 28, 'toilet': 33, 'sink': 34, 'bathtub': 36,
         'other furniture': 39}


def test_ids_of_nyu40_become_classes_and_the_other_ids_are_unlabelled(tmp_path):
    write_scannet(tmp_path)
    labels = ScanNet(tmp_path, 'all')[0].labels.ravel()
    # the fixture counts from 0 to 40
    for name, nyu40_id in NYU40.items():
        assert SCANNET.class_names[labels[nyu40_id]] == name
    blinds, pillow, other_structure = 13, 18, 38
    assert (labels[[0, blinds, pillow, other_structure, 40]] == 255).all()
    assert (labels[:41] != 255).sum() == 20


def test_lists_say_which_scenes_are_in_a_split(tmp_path):
    write_scannet(tmp_path)
    assert [len(ScanNet(tmp_path, split)) for split in ('train', 'val', 'all')] == [2, 1, 3]
    assert ScanNet(tmp_path, 'val')[0].name == 'scene0011_00/color/000000'


def test_the_folder_above_the_scenes_is_as_good(tmp_path):
    write_scannet(tmp_path / 'scannet_frames_25k')
    below = tmp_path / 'scannet_frames_25k/scannetv2_val.txt'
    assert len(ScanNet(tmp_path, 'val')) == 1
    shutil.move(below, tmp_path / below.name)
    assert len(ScanNet(tmp_path, 'val')) == 1


def test_a_frame_is_scaled_to_its_labels(tmp_path):
    write_scannet(tmp_path)
    write_plane(tmp_path / 'scene0011_00/label/000000.png', np.full((6, 10), 5, np.uint8))
    sample = ScanNet(tmp_path, 'val')[0]
    assert sample.image.shape == (6, 10, 3)


def test_a_list_is_named_where_it_is_missing(tmp_path):
    write_scannet(tmp_path)
    (tmp_path / 'scannetv2_val.txt').unlink()
    with pytest.raises(DatasetError, match=r'scannetv2_val\.txt must be a list of names, in a '
                       r'layout of \[scannet_frames_25k/\]SCENE/color/NAME\.jpg'):
        ScanNet(tmp_path, 'val')


def test_a_list_of_other_scenes_is_refused(tmp_path):
    write_scannet(tmp_path)
    (tmp_path / 'scannetv2_val.txt').write_text('scene0700_00\n')
    with pytest.raises(DatasetError, match=r'must be with scenes of the split val, got none of '
                       r'them: unpack the scenes'):
        ScanNet(tmp_path, 'val')


def test_the_common_list_has_the_classes_themselves_and_the_universal_one_their_groups():
    common = label_mapping(SCANNET, ROB2018).table
    assert common.sum() == 20
    assert common[:, 19:].diagonal().all()
    groups = label_mapping(SCANNET, UNIVERSAL).table
    assert (groups.sum(1) == 1).all()
    assert not groups[:, :19].any()
