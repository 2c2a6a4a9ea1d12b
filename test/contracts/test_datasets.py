# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.driving import DRIVING
from data.fixtures.foreign import FOREIGN
import numpy as np
from PIL import Image
import pytest

from ldn_perception.data.registry import DATASETS, STEREO_DATASETS, build_dataset
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import TAXONOMIES, UNIVERSAL
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.types import UNLABELLED

WRITERS = {**DRIVING, **FOREIGN}
STRETCHED = {'cityscapes_256': 2}
"""Datasets that undo a squeeze of their files, and width over height of what they show."""


@pytest.fixture(params=WRITERS)
def name(request):
    return request.param


@pytest.fixture
def written(name, tmp_path):
    return WRITERS[name](tmp_path / 'data')


@pytest.fixture
def build(name, written, tmp_path):
    return lambda: build_dataset(name, tmp_path / 'data', written.split)


def test_every_dataset_has_a_writer():
    assert set(WRITERS) == set(DATASETS)


class TestDatasetContract:
    def test_images_are_those_on_the_disk_in_order(self, name, build, written):
        dataset = build()
        assert len(dataset) == len(written.image_files)
        for number, path in enumerate(written.image_files):
            shown = dataset[number].image
            height, width = shown.shape[:2]
            decoded = Image.open(path).convert('RGB')
            if name in STRETCHED:
                assert width == STRETCHED[name] * height
                decoded = decoded.resize((width, height), Image.Resampling.BILINEAR)
            tolerance = 4 if path.suffix == '.jpg' else 0
            assert np.abs(shown - np.asarray(decoded).astype(int)).max() <= tolerance
        with pytest.raises(IndexError):
            dataset[len(dataset)]

    def test_names_are_unique_and_tell_the_file(self, build, written):
        dataset = build()
        names = [dataset[number].name for number in range(len(dataset))]
        assert len(set(names)) == len(names)
        for name, path in zip(names, written.image_files, strict=True):
            assert path.stem in name
            assert not name.startswith('/')

    def test_labels_are_classes_or_unlabelled(self, build):
        dataset = build()
        seen = set()
        for number in range(len(dataset)):
            image = dataset[number]
            assert image.labels.shape == image.image.shape[:2]
            assert image.labels.dtype == np.uint8
            seen |= set(np.unique(image.labels).tolist())
        assert seen - {UNLABELLED} <= set(range(len(dataset.taxonomy)))
        assert seen - {UNLABELLED}

    def test_reading_twice_gives_the_same(self, build):
        one, other = build()[0], build()[0]
        for field in ('image', 'labels', 'pixels_per_metre', 'instances'):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        assert (one.name, one.negative) == (other.name, other.negative)

    def test_taxonomy_is_known_and_leads_to_the_universal_one(self, build):
        taxonomy = build().taxonomy
        assert TAXONOMIES[taxonomy.name] is taxonomy
        mapping = label_mapping(taxonomy, UNIVERSAL)
        assert mapping.table.shape == (len(taxonomy), len(UNIVERSAL))
        assert mapping.table.any()

    def test_missing_folder_is_named(self, name, written, tmp_path):
        with pytest.raises(DatasetError, match=r'nowhere must be a folder with .*, got no folder'):
            build_dataset(name, tmp_path / 'nowhere', written.split)

    def test_empty_folder_tells_the_layout(self, name, written, tmp_path):
        (tmp_path / 'empty').mkdir()
        with pytest.raises(DatasetError, match=r'empty must be a folder with .*, got nothing'):
            build_dataset(name, tmp_path / 'empty', written.split)

    def test_unknown_split_is_refused_with_those_there_are(self, name, written, tmp_path):
        with pytest.raises(DatasetError, match=rf'one of .*{written.split}.*, got sunday'):
            build_dataset(name, tmp_path / 'data', 'sunday')

    def test_damaged_image_is_named(self, build, written):
        dataset = build()
        written.image_files[0].write_bytes(b'\xff\xd8 no image')
        with pytest.raises(DatasetError, match=rf'{written.image_files[0].name} must be a read'):
            dataset[0]

    def test_missing_labels_are_named(self, build, written):
        if written.label_file is None:
            pytest.skip('the dataset has no label files')
        written.label_file.unlink()
        with pytest.raises(DatasetError, match=written.label_file.name):
            build()

    def test_damaged_labels_are_named(self, build, written):
        if written.label_file is None:
            pytest.skip('the dataset has no label files')
        dataset = build()
        written.label_file.write_bytes(written.label_file.read_bytes()[:40])
        with pytest.raises(DatasetError, match=rf'{written.label_file.name} must be'):
            dataset[0]


def test_unknown_dataset_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(DatasetError, match=r'dataset must be one of .*camvid.*, got imagenet'):
        build_dataset('imagenet', tmp_path, 'train')


@pytest.mark.parametrize('name', STEREO_DATASETS)
def test_missing_folder_of_pairs_is_named(name, tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere must be a folder with .*, got no folder'):
        STEREO_DATASETS[name](tmp_path / 'nowhere')
