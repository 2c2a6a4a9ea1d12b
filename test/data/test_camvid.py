# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.driving import write_camvid
from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.driving_images import CamVid
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import CAMVID


def test_eleven_means_void(tmp_path):
    write_camvid(tmp_path)
    np.testing.assert_array_equal(
        CamVid(tmp_path, 'test')[0].labels, cycle([*range(11), 255]))


def test_an_id_without_a_class_is_refused(tmp_path):
    labels = write_camvid(tmp_path).label_file
    write_plane(labels, cycle([0, 12, 30]))
    with pytest.raises(DatasetError, match=r'must be ids 0 to 10 .*, got the ids \[12, 30\]'):
        CamVid(tmp_path, 'test')[0]


def test_folders_of_the_segnet_repository_are_read(tmp_path):
    for part in ('train', 'val'):
        write_image(tmp_path / part / f'{part}_1.png')
        write_plane(tmp_path / f'{part}annot' / f'{part}_1.png', cycle([3]))
    dataset = CamVid(tmp_path, 'trainval')
    assert [dataset[i].name for i in range(2)] == ['train/train_1', 'val/val_1']
    assert (dataset[1].labels == CAMVID.class_names.index('road')).all()


class TestRealFiles:
    @pytest.fixture
    def camvid(self, real_data):
        return real_data / 'camvid'

    def test_splits_have_their_published_sizes(self, camvid):
        sizes = {split: len(CamVid(camvid, split)) for split in (
            'train', 'val', 'test', 'trainval')}
        assert sizes == {'train': 367, 'val': 101, 'test': 233, 'trainval': 468}

    def test_classes_lie_where_they_belong(self, camvid):
        dataset = CamVid(camvid, 'test')
        rows = [[] for _ in CAMVID.classes]
        brightness = [[] for _ in CAMVID.classes]
        for number in range(0, len(dataset), 24):
            image = dataset[number]
            for label in range(len(CAMVID)):
                where = image.labels == label
                rows[label] += np.nonzero(where)[0][::50].tolist()
                brightness[label] += image.image[where].mean(axis=1)[::50].tolist()
        row = dict(zip(CAMVID.class_names, map(np.mean, rows), strict=True))
        light = dict(zip(CAMVID.class_names, map(np.mean, brightness), strict=True))
        assert row['sky'] < row['tree'] < row['car'] < row['road']
        assert row['building'] < row['pedestrian'] < row['pavement']
        assert light['sky'] > 1.5 * light['road']
        amounts = dict(zip(CAMVID.class_names, map(len, rows), strict=True))
        assert max(amounts, key=amounts.get) in ('road', 'building')
