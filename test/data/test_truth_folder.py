# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from ldn_perception.data.stereo_sample import StereoSample, TruthFolder
from ldn_perception.errors import BagError

STAMPS_NS = [1_700_000_000_000_000_000 + index * 100_000_000 for index in range(4)]


def write(path, value, dtype=np.uint8, shape=(8, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(shape, value, dtype))


@pytest.fixture
def bare(make_sample):
    return [StereoSample(make_sample(stamp).frame) for stamp in STAMPS_NS]


def test_files_belong_to_pairs_by_number(tmp_path, bare):
    write(tmp_path / 'labels' / '000001.png', 3)
    write(tmp_path / 'foreign' / '000001_10.png', 255)
    write(tmp_path / 'disparity' / '3.png', 512, np.uint16)
    truth = TruthFolder(tmp_path, STAMPS_NS)
    assert len(truth) == 2
    first, second, _, fourth = (
        truth.add_to(sample, number) for number, sample in enumerate(bare))
    assert first == bare[0]
    assert (second.labels == 3).all()
    assert second.foreign.all()
    assert second.disparity is None
    assert fourth.labels is None
    assert (fourth.disparity == 2).all()


def test_files_belong_to_pairs_by_stamp(tmp_path, bare):
    write(tmp_path / 'labels' / f'{STAMPS_NS[2]}.png', 5)
    write(tmp_path / 'labels' / '1234.png', 6)  # of a left image without a partner
    truth = TruthFolder(tmp_path, STAMPS_NS)
    assert len(truth) == 1
    assert (truth.add_to(bare[2], 2).labels == 5).all()


@pytest.mark.parametrize('name', ['labelIds', 'semantic'])
def test_cityscapes_ids_and_the_names_of_kitti(tmp_path, bare, name):
    write(tmp_path / name / '000000_10.png', 7)  # road
    write(tmp_path / 'disp_occ_0' / '000000_10.png', 256, np.uint16)
    sample = TruthFolder(tmp_path, STAMPS_NS).add_to(bare[0], 0)
    assert (sample.labels == 0).all()
    assert (sample.disparity == 1).all()


def test_what_came_with_the_pair_stays_where_there_is_no_file(tmp_path, make_sample):
    write(tmp_path / 'labels' / '0.png', 4)
    full = make_sample(STAMPS_NS[0])
    sample = TruthFolder(tmp_path, STAMPS_NS).add_to(full, 0)
    assert (sample.labels == 4).all()
    np.testing.assert_array_equal(sample.disparity, full.disparity)


def test_a_folder_without_ground_truth_is_refused(tmp_path):
    (tmp_path / 'images').mkdir()
    with pytest.raises(BagError, match=r'ground truth folder .* must be with images in one of '
                       r'labels/, labelIds/, .*, got images: check --ground-truth'):
        TruthFolder(tmp_path, STAMPS_NS)
    with pytest.raises(BagError, match='got nothing there'):
        TruthFolder(tmp_path / 'nowhere', STAMPS_NS)


@pytest.mark.parametrize('name', ['7.png', 'left.png'])
def test_a_file_of_no_pair_is_refused(tmp_path, name):
    write(tmp_path / 'labels' / name, 4)
    with pytest.raises(BagError, match=r'name of ground truth .* must be begun with the number of '
                       r'a pair, 0 to 3, or its stamp \[ns\], got .*png: rename it'):
        TruthFolder(tmp_path, STAMPS_NS)


def test_two_files_of_one_pair_are_refused(tmp_path):
    for name in ('0.png', '000000_10.png'):
        write(tmp_path / 'labels' / name, 4)
    with pytest.raises(BagError, match=r'ground truth .*0.png must be the only one of its pair, '
                       r'got 0.*png too: keep one of them'):
        TruthFolder(tmp_path, STAMPS_NS)


def test_a_file_of_another_size_is_refused(tmp_path, bare):
    write(tmp_path / 'labels' / '0.png', 4, shape=(4, 4))
    with pytest.raises(BagError, match=r'size of .*0.png must be \(8, 12\) as the left image, got '
                       r'\(4, 4\): give ground truth at the size of the bag'):
        TruthFolder(tmp_path, STAMPS_NS).add_to(bare[0], 0)
