# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.data.images import read_disparity
from ldn_perception.errors import BagError

CALIBRATION = {'fx': 50.0, 'fy': 51.0, 'cx': 6.5, 'cy': 4.25, 'baseline_m': 0.12}


def _image(seed, grey=False, shape=(8, 12)):
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    return np.repeat(image[..., :1], 3, axis=2) if grey else image


def _save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image[..., ::-1] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, np.ascontiguousarray(image))[1].tobytes())


def _make_pairs(root, left, right, count=3, grey=False):
    for index in range(count):
        _save(root / left / f'{index:06}.png', _image(index, grey))
        _save(root / right / f'{index:06}.png', _image(100 + index, grey))


def _calibrate(root, **changes):
    (root / 'calib.json').write_text(json.dumps(CALIBRATION | changes))


def _projection(fx, cx, shift):
    return f'{fx} 0 {cx} {shift} 0 {fx} 4.0 0 0 0 1 0'


LAYOUTS = [
    ('left', 'right'), ('image_l', 'image_r'), ('image_2', 'image_3'), ('image_0', 'image_1'),
    ('image_02/data', 'image_03/data'), ('image_00/data', 'image_01/data'),
]


@pytest.mark.parametrize(('left', 'right'), LAYOUTS)
def test_every_layout_gives_its_pairs_in_order(tmp_path, left, right):
    _make_pairs(tmp_path, left, right)
    _calibrate(tmp_path)
    folder = ImageFolder(tmp_path)
    assert len(folder) == 3
    for index, sample in enumerate(folder):
        np.testing.assert_array_equal(sample.frame.left, _image(index))
        np.testing.assert_array_equal(sample.frame.right, _image(100 + index))
        assert sample.labels is sample.foreign is sample.disparity is None


@pytest.mark.parametrize(('left', 'right'), [('left.png', 'right.png'), ('im0.png', 'im1.png')])
def test_one_pair_can_lie_in_the_folder_itself(tmp_path, left, right):
    _save(tmp_path / left, _image(0))
    _save(tmp_path / right, _image(1))
    _calibrate(tmp_path)
    (sample,) = ImageFolder(tmp_path)
    np.testing.assert_array_equal(sample.frame.right, _image(1))


def test_geometry_and_stamps_follow_the_calibration(tmp_path):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path, doffs=3.5, rate_hz=20)
    folder = ImageFolder(tmp_path)
    geometry = folder.geometry
    assert geometry.shape == (8, 12)
    assert (geometry.fx, geometry.fy, geometry.cx, geometry.cy) == (50.0, 51.0, 6.5, 4.25)
    assert (geometry.cx_right, geometry.baseline) == (10.0, 0.12)
    assert [sample.frame.stamp_ns for sample in folder] == [50_000_000, 100_000_000, 150_000_000]
    assert folder.duration_s == pytest.approx(0.1)
    assert ImageFolder(tmp_path, rate_hz=5).rate_hz == 5
    _calibrate(tmp_path, cx_right=2.5)
    assert ImageFolder(tmp_path).geometry.cx_right == 2.5
    assert ImageFolder(tmp_path).rate_hz == 10


@pytest.mark.parametrize(
    ('left', 'right', 'grey', 'fx'),
    [
        ('image_0', 'image_1', False, 700.0), ('image_2', 'image_3', True, 720.0),
        ('image_00/data', 'image_01/data', False, 700.0),
        ('left', 'right', True, 700.0), ('left', 'right', False, 720.0),
    ],
)
def test_kitti_matrices_follow_the_cameras(tmp_path, left, right, grey, fx):
    _make_pairs(tmp_path, left, right, 1, grey)
    rows = [
        f'P0: {_projection(700.0, 6.0, 0.0)}', f'P1: {_projection(700.0, 6.0, -350.0)}',
        f'P2: {_projection(720.0, 5.0, 36.0)}', f'P3: {_projection(720.0, 5.5, -324.0)}',
        'Tr: 1 0 0 0 0 1 0 0 0 0 1 0',
    ]
    (tmp_path / 'calib.txt').write_text('\n'.join(rows))
    geometry = ImageFolder(tmp_path).geometry
    assert geometry.fx == fx
    assert geometry.baseline == pytest.approx(0.5)
    assert geometry.cx_right == (6.0 if fx == 700.0 else 5.5)


def test_calibration_of_a_raw_kitti_drive_lies_beside_it(tmp_path):
    drive = tmp_path / 'drive_sync'
    _make_pairs(drive, 'image_02/data', 'image_03/data', 1)
    rows = [
        'calib_time: 09-Jan-2012 13:57:47', 'corner_dist: 9.950000e-02',
        f'P_rect_02: {_projection(721.5, 6.0, 44.8)}',
        f'P_rect_03: {_projection(721.5, 6.0, -339.5)}',
    ]
    (tmp_path / 'calib_cam_to_cam.txt').write_text('\n'.join(rows))
    assert ImageFolder(drive).geometry.baseline == pytest.approx((44.8 + 339.5) / 721.5)


def test_unnamed_matrices_are_left_and_right(tmp_path):
    _make_pairs(tmp_path, 'image_l', 'image_r', 1)
    rows = [_projection(707.0, 6.0, 0.0), _projection(707.0, 6.0, -379.8)]
    (tmp_path / 'calib.txt').write_text('\n'.join(rows))
    assert ImageFolder(tmp_path).geometry.baseline == pytest.approx(379.8 / 707)


def test_ground_truth_folders_of_a_synthetic_drive(tmp_path):
    _make_pairs(tmp_path, 'left', 'right', 2)
    _calibrate(tmp_path, rate_hz=10)
    labels = np.arange(96, dtype=np.uint8).reshape(8, 12) % 19
    disparity = np.linspace(0, 4000, 96).reshape(8, 12).astype(np.uint16)
    foreign = (labels % 2 * 255).astype(np.uint8)
    for index in range(2):
        _save(tmp_path / f'labels/{index:06}.png', labels + np.uint8(index))
        _save(tmp_path / f'disparity/{index:06}.png', disparity)
        _save(tmp_path / f'foreign/{index:06}.png', foreign)
    for index, sample in enumerate(ImageFolder(tmp_path)):
        np.testing.assert_array_equal(sample.labels, labels + index)
        np.testing.assert_array_equal(sample.foreign, foreign == 255)
        assert np.isnan(sample.disparity[0, 0])
        np.testing.assert_array_equal(sample.disparity.flat[1:], disparity.flat[1:] / 256)


def test_label_ids_become_classes_and_missing_files_are_no_ground_truth(tmp_path):
    _make_pairs(tmp_path, 'image_2', 'image_3', 2)
    _calibrate(tmp_path)
    ids = np.zeros((8, 12), np.uint8)
    ids[0], ids[1], ids[2] = 7, 33, 4
    _save(tmp_path / 'labelIds/000001.png', ids)
    first, second = ImageFolder(tmp_path)
    assert first.labels is None
    assert [int(row[0]) for row in second.labels[:4]] == [0, 18, 255, 255]


def test_ground_truth_files_of_a_single_pair(tmp_path):
    _save(tmp_path / 'left.png', _image(0))
    _save(tmp_path / 'right.png', _image(1))
    _calibrate(tmp_path)
    _save(tmp_path / 'semantic_labelIds.png', np.full((8, 12), 26, np.uint8))
    _save(tmp_path / 'disp_occ.png', np.full((8, 12), 640, np.uint16))
    (sample,) = ImageFolder(tmp_path)
    assert (sample.labels == 13).all()
    assert (sample.disparity == 2.5).all()


def test_jpeg_pairs_are_read(tmp_path):
    grey = np.full((8, 12, 3), 90, np.uint8)
    _save(tmp_path / 'left/a.jpg', grey)
    _save(tmp_path / 'right/a.jpg', grey)
    _calibrate(tmp_path)
    (sample,) = ImageFolder(tmp_path)
    assert abs(sample.frame.left.astype(int) - 90).max() <= 2


@pytest.mark.parametrize(('make', 'held'), [(False, 'no folder'), (True, 'an empty folder')])
def test_folder_without_layout_names_the_accepted_ones(tmp_path, make, held):
    folder = tmp_path / 'drive'
    if make:
        folder.mkdir()
    with pytest.raises(
        BagError, match=rf'image folder .*drive must be left/ right/, image_l/ image_r/, .*'
        rf'im0.png im1.png, got {held}: arrange the images'
    ):
        ImageFolder(folder)


def test_folder_with_other_things_names_them(tmp_path):
    _save(tmp_path / 'left/000000.png', _image(0))
    _calibrate(tmp_path)
    with pytest.raises(BagError, match=r'got calib.json, left: arrange'):
        ImageFolder(tmp_path)


def test_different_counts_are_an_error(tmp_path):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path)
    (tmp_path / 'right/000002.png').unlink()
    with pytest.raises(BagError, match=r'images in .*right must be 3 as in left, got 2: keep'):
        ImageFolder(tmp_path)


def test_different_names_are_an_error(tmp_path):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path)
    (tmp_path / 'right/000001.png').rename(tmp_path / 'right/000007.png')
    with pytest.raises(
        BagError, match=r'right image of .*000001.png must be named 000001, got 000002.png: give'
    ):
        ImageFolder(tmp_path)


@pytest.mark.parametrize('name', ['left/000001.png', 'right/000000.png', 'labels/000000.png'])
def test_different_sizes_are_an_error(tmp_path, name):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path)
    wrong = _image(0, shape=(6, 12))
    _save(tmp_path / name, wrong[..., 0] if 'labels' in name else wrong)
    with pytest.raises(
        BagError, match=rf'size of .*{name} must be \(8, 12\) as the first left image, got \(6, 12'
    ):
        list(ImageFolder(tmp_path))


def test_missing_calibration_names_what_is_accepted(tmp_path):
    _make_pairs(tmp_path, 'left', 'right')
    with pytest.raises(
        BagError, match=r'calibration in .* must be calib.json with fx, fy, cx, cy, baseline_m .*'
        r'KITTI calib.txt .*, got no such file: put one beside the images'
    ):
        ImageFolder(tmp_path)


@pytest.mark.parametrize(
    ('name', 'text', 'got'),
    [
        ('calib.json', '{"fx": 1', 'Expecting'),
        ('calib.json', '{"fx": 1}', "no 'fy'"),
        ('calib.json', '[1]', 'list indices'),
        ('calib.json', json.dumps(CALIBRATION | {'baseline_m': 0}), 'camera geometry baseline'),
        ('calib.json', json.dumps(CALIBRATION | {'rate_hz': 0}), 'rate_hz 0'),
        ('calib.txt', f'P2: {_projection(700, 6, 0)}', 'no 2|no 3'),
        ('calib.txt', 'cam0=[994.978 0 311.193]', 'could not convert'),
        ('calib.txt', 'P0: 1 2 3\nP1: 1 2 3', 'cannot reshape'),
        ('calib.txt', f'P0: {_projection(0, 6, 0)}\nP1: {_projection(0, 6, 0)}', 'camera geom'),
    ],
)
def test_unusable_calibration_says_why(tmp_path, name, text, got):
    _make_pairs(tmp_path, 'left', 'right', 1)
    (tmp_path / name).write_text(text)
    with pytest.raises(BagError, match=rf'calibration .*{name} must be .*, got ({got})'):
        ImageFolder(tmp_path)


@pytest.mark.parametrize('rate_hz', [0, -1, float('inf')])
def test_rate_must_be_positive(tmp_path, rate_hz):
    with pytest.raises(BagError, match='rate of an image folder must be > 0 Hz, got'):
        ImageFolder(tmp_path, rate_hz=rate_hz)


@pytest.mark.parametrize('content', [b'', b'not an image'])
def test_file_that_is_no_image_is_named(tmp_path, content):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path)
    (tmp_path / 'right/000001.png').write_bytes(content)
    with pytest.raises(
        BagError, match=rf'image .*right/000001.png must be a PNG, JPEG .*, got {len(content)} oth'
    ):
        list(ImageFolder(tmp_path))


def test_file_that_vanished_is_named(tmp_path):
    _make_pairs(tmp_path, 'left', 'right')
    _calibrate(tmp_path)
    folder = ImageFolder(tmp_path)
    (tmp_path / 'right/000001.png').unlink()
    with pytest.raises(BagError, match=r'image .*000001.png must be a readable file, got .*No su'):
        list(folder)


def test_coloured_labels_and_8_bit_disparity_are_refused(tmp_path):
    _make_pairs(tmp_path, 'left', 'right', 1)
    _calibrate(tmp_path)
    _save(tmp_path / 'labels/000000.png', _image(0))
    with pytest.raises(
        BagError, match=r'ground truth .* must be \(H, W\) uint8, one class id a pixel .*, '
        r'got \(8, 12, 3\) uint8: convert it'
    ):
        list(ImageFolder(tmp_path))
    _save(tmp_path / 'disparity.png', _image(0)[..., 0])
    with pytest.raises(BagError, match=r'must be \(H, W\) uint16, disparity times 256'):
        read_disparity(tmp_path / 'disparity.png')


def test_ground_truth_under_other_names_is_an_error(tmp_path):
    _make_pairs(tmp_path, 'left', 'right', 1)
    _calibrate(tmp_path)
    _save(tmp_path / 'labels/frame_0.png', _image(0)[..., 0])
    with pytest.raises(
        BagError, match=r'ground truth in .*labels must be named as the left images, e.g. 000000, '
        r'got frame_0.png: rename'
    ):
        ImageFolder(tmp_path)


def test_kitti_odometry_pairs(data_folder):
    folder = ImageFolder(data_folder / 'kitti_odometry_seq1')
    assert len(folder) == 24
    assert folder.geometry.shape == (370, 1226)
    assert folder.geometry.fx == 707.0912
    assert folder.geometry.baseline == pytest.approx(379.8145 / 707.0912, abs=1e-5)


def test_kitti_odometry_text_calibration_agrees_with_its_json(data_folder, tmp_path):
    source = data_folder / 'kitti_odometry_seq1'
    (tmp_path / 'image_l').symlink_to(source / 'image_l')
    (tmp_path / 'image_r').symlink_to(source / 'image_r')
    (tmp_path / 'calib.txt').write_text((source / 'calib.txt').read_text())
    from_text, from_json = ImageFolder(tmp_path).geometry, ImageFolder(source).geometry
    for name in ('fx', 'fy', 'cx', 'cy', 'cx_right'):
        assert getattr(from_text, name) == getattr(from_json, name)
    assert from_text.baseline == pytest.approx(from_json.baseline, abs=1e-5)


@pytest.mark.parametrize(
    ('name', 'labels', 'disparity'),
    [
        ('kitti2015_000046', True, True), ('kitti2015_000000', True, False),
        ('kitti2012_000000', False, True),
    ],
)
def test_single_kitti_pairs_have_their_ground_truth(data_folder, name, labels, disparity):
    (sample,) = ImageFolder(data_folder / name)
    assert (sample.labels is not None) == labels
    assert (sample.disparity is not None) == disparity
    if labels:
        assert set(np.unique(sample.labels)) <= {*range(19), 255}
        assert (sample.labels == 0).mean() > 0.1  # there is road in sight
    if disparity:
        known = sample.disparity[np.isfinite(sample.disparity)]
        assert 0 < known.min() < known.max() < 256
        assert 0.1 < known.size / sample.disparity.size < 0.9
