# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import re

from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
from PIL import Image
import pytest

from ldn_perception.data.dataset_files import (
    list_files,
    partners,
    read_indices,
    read_parsed,
    read_plane,
    read_rgb,
)
from ldn_perception.errors import DatasetError


class TestListing:
    def test_files_are_sorted(self, tmp_path):
        for name in ('b.png', 'a.png', 'c.jpg'):
            (tmp_path / name).write_bytes(b'')
        found = list_files(tmp_path, '*.png', 'NAME.png')
        assert [path.name for path in found] == ['a.png', 'b.png']

    def test_a_missing_folder_tells_the_layout(self, tmp_path):
        with pytest.raises(DatasetError, match=r'x must be a folder with NAME.png, got no folder'):
            list_files(tmp_path / 'x', '*.png', 'NAME.png')

    def test_nothing_that_fits_tells_the_pattern(self, tmp_path):
        with pytest.raises(DatasetError, match=r'a folder with NAME.png, got nothing that fits '):
            list_files(tmp_path, '*.png', 'NAME.png')

    def test_partners_keep_the_order(self, tmp_path):
        files = [tmp_path / 'b.jpg', tmp_path / 'a.jpg']
        for path in files:
            path.with_suffix('.png').write_bytes(b'')
        found = partners(files, lambda path: path.with_suffix('.png'), 'NAME.png')
        assert [path.name for path in found] == ['b.png', 'a.png']

    def test_the_first_missing_partner_is_named_and_all_are_counted(self, tmp_path):
        files = [tmp_path / 'a', tmp_path / 'b']
        sentence = rf'file {re.escape(str(files[0]))}x must be there.*NAME.*got 2 of 2 such files'
        with pytest.raises(DatasetError, match=sentence):
            partners(files, lambda path: path.with_name(path.name + 'x'), 'NAME')


class TestPictures:
    def test_colours_are_red_green_blue(self, tmp_path):
        write_plane(tmp_path / 'a.png', np.full((2, 3, 3), (250, 20, 3), np.uint8))
        np.testing.assert_array_equal(read_rgb(tmp_path / 'a.png')[0, 0], (250, 20, 3))

    def test_a_grey_image_has_three_equal_channels(self, tmp_path):
        write_plane(tmp_path / 'a.png', cycle([3, 200]))
        image = read_rgb(tmp_path / 'a.png')
        np.testing.assert_array_equal(image, np.repeat(cycle([3, 200])[..., None], 3, axis=2))

    def test_a_rotation_mark_is_not_obeyed(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new('RGB', (20, 10)).save(tmp_path / 'a.jpg', exif=exif)
        assert read_rgb(tmp_path / 'a.jpg').shape == (10, 20, 3)

    def test_a_name_need_not_be_ascii(self, tmp_path):
        assert read_rgb(write_image(tmp_path / 'čađavica.png')).shape == (12, 20, 3)

    @pytest.mark.parametrize('content', [b'', b'no image', None])
    @pytest.mark.parametrize('read', [
        read_rgb, lambda path: read_plane(path, np.uint8, 'ids'),
        lambda path: read_indices(path, 'ids')])
    def test_what_is_no_image_is_named(self, tmp_path, content, read):
        if content is not None:
            (tmp_path / 'a.png').write_bytes(content)
        with pytest.raises(DatasetError, match=r'a\.png must be a readable image, got .*: unpack'):
            read(tmp_path / 'a.png')

    def test_half_an_image_is_refused_by_the_palette_reader(self, tmp_path):
        path = write_plane(tmp_path / 'a.png', np.arange(10000).reshape(100, 100).astype(np.uint8))
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DatasetError, match=r'a\.png must be a readable image'):
            read_indices(path, 'ids')


class TestPlanes:
    def test_palette_indices_are_not_looked_up(self, tmp_path):
        image = Image.fromarray(cycle([0, 5, 255]), 'P')
        image.putpalette([7] * 768)
        image.save(tmp_path / 'a.png')
        np.testing.assert_array_equal(
            read_indices(tmp_path / 'a.png', 'ids'), cycle([0, 5, 255]))

    def test_a_colour_image_holds_no_indices(self, tmp_path):
        path = write_image(tmp_path / 'a.png')
        with pytest.raises(DatasetError, match=r'grey or with a palette, ids, got mode RGB'):
            read_indices(path, 'ids')

    def test_sixteen_bits_are_kept(self, tmp_path):
        path = write_plane(tmp_path / 'a.png', cycle([0, 26001], np.uint16))
        np.testing.assert_array_equal(
            read_plane(path, np.uint16, 'ids'), cycle([0, 26001], np.uint16))

    def test_another_type_is_refused(self, tmp_path):
        path = write_plane(tmp_path / 'a.png', cycle([1]))
        with pytest.raises(DatasetError, match=r'\(H, W\) uint16, ids, got \(12, 20\) uint8'):
            read_plane(path, np.uint16, 'ids')


class TestText:
    def test_the_result_is_what_the_parser_makes(self, tmp_path):
        (tmp_path / 'a.json').write_text('{"b": 3}')
        assert read_parsed(tmp_path / 'a.json', json.loads, 'JSON') == {'b': 3}

    @pytest.mark.parametrize('text', ['{', '[]', '{}', '{"b": "x"}', '{"b": null}'])
    def test_what_a_parser_cannot_read_is_named(self, tmp_path, text):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(DatasetError, match=r'a\.json must be a b, got .*Error'):
            read_parsed(tmp_path / 'a.json', lambda text: int(json.loads(text)['b']), 'a b')

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(DatasetError, match=r'a\.json must be JSON, got no file') as caught:
            read_parsed(tmp_path / 'a.json', json.loads, 'JSON')
        assert caught.value.reason == 'missing'
