# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from data.fixtures.written import HEIGHT, WIDTH, cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.kitti import KittiStereo, KittiStereoFolder
from ldn_perception.data.middlebury import Middlebury, read_float_map
from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import DatasetError

PROJECTIONS = """calib_time: 09-Jan-2012 14:00:15
{0}: 7.2e+02 0 6.1e+02 4.5e+01 0 7.3e+02 1.7e+02 2.1e-01 0 0 1 2.7e-03
{1}: 7.2e+02 0 6.0e+02 -3.42e+02 0 7.3e+02 1.7e+02 2.1e+00 0 0 1 2.7e-03
"""
CALIBRATION_2014 = """cam0=[3997.684 0 1176.728; 0 3990.5 1011.728; 0 0 1]
cam1=[3997.684 0 1307.839; 0 3990.5 1011.728; 0 0 1]
doffs=131.111
baseline=193.001
width=2964
height=1988
"""


def write_kitti(root, folders, calibration, names):
    left, right, occluded, matched = folders
    training = root / 'training'
    write_image(training / left / '000003_10.png', 1)
    write_image(training / left / '000003_11.png', 2)  # of the next moment, without truth
    write_image(training / right / '000003_10.png', 3)
    write_plane(training / occluded / '000003_10.png', cycle([0, 256, 2688], np.uint16))
    write_plane(training / matched / '000003_10.png', cycle([0, 0, 2688], np.uint16))
    (training / calibration).mkdir()
    (training / calibration / '000003.txt').write_text(PROJECTIONS.format(*names))


RELEASES = {
    '2015': (('image_2', 'image_3', 'disp_occ_0', 'disp_noc_0'), 'calib_cam_to_cam',
             ('P_rect_02', 'P_rect_03')),
    '2012 colour': (('colored_0', 'colored_1', 'disp_occ', 'disp_noc'), 'calib', ('P2', 'P3')),
    '2012 grey': (('image_0', 'image_1', 'disp_occ', 'disp_noc'), 'calib', ('P0', 'P1')),
}


@pytest.mark.parametrize('release', RELEASES.values(), ids=RELEASES)
class TestKittiStereo:
    def test_steps_become_pixels(self, tmp_path, release):
        write_kitti(tmp_path, *release)
        dataset = KittiStereo(tmp_path)
        assert len(dataset) == 1
        pair = dataset[0]
        assert pair.name == '000003_10'
        np.testing.assert_array_equal(pair.disparity[0, :3], [np.nan, 1, 10.5])
        np.testing.assert_array_equal(pair.matched[0, :3], [False, False, True])
        assert not np.array_equal(pair.frame.left, pair.frame.right)

    def test_projections_give_the_rig(self, tmp_path, release):
        write_kitti(tmp_path, *release)
        geometry = KittiStereo(tmp_path)[0].frame.geometry
        assert (geometry.fx, geometry.fy, geometry.cy) == (720, 730, 170)
        assert geometry.baseline == pytest.approx((45 + 342) / 720)
        assert geometry.disparity_offset == 10

    def test_a_missing_right_image_is_named(self, tmp_path, release):
        write_kitti(tmp_path, *release)
        right = tmp_path / 'training' / release[0][1] / '000003_10.png'
        right.unlink()
        with pytest.raises(DatasetError, match=rf'{right.parent.name}/000003_10.png must be t'):
            KittiStereo(tmp_path)

    def test_a_calibration_without_the_matrices_is_named(self, tmp_path, release):
        write_kitti(tmp_path, *release)
        (tmp_path / 'training' / release[1] / '000003.txt').write_text('S_02: 1 2\n')
        with pytest.raises(DatasetError, match=rf'000003.txt must be a .*{release[2][0]} and P'):
            KittiStereo(tmp_path)[0]


class TestKittiStereoFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        write_image(tmp_path / 'left.png')
        write_image(tmp_path / 'right.png', 1)
        write_plane(tmp_path / 'disp_gt.png', cycle([0, 512], np.uint16))
        (tmp_path / 'calib.json').write_text(json.dumps(
            {'fx': 700, 'fy': 701, 'cx': 10, 'cy': 5, 'baseline_m': 0.5}))
        return tmp_path

    def test_pair_is_read(self, folder):
        pair = KittiStereoFolder(folder)[0]
        assert pair.name == folder.name
        assert pair.matched is None
        assert np.nanmax(pair.frame.geometry.depth(pair.disparity)) == 175

    def test_there_is_no_second_pair(self, folder):
        with pytest.raises(IndexError):
            KittiStereoFolder(folder)[1]

    @pytest.mark.parametrize('name', ['left.png', 'right.png', 'calib.json', 'disp_gt.png'])
    def test_what_is_missing_is_told(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(DatasetError, match=r'left\.png, right\.png, calib\.json, and disp_oc'):
            KittiStereoFolder(folder)

    def test_damaged_calibration_is_named(self, folder):
        (folder / 'calib.json').write_text('{"fx": 700}')
        with pytest.raises(DatasetError, match=r'calib\.json must be JSON with fx, fy, cx, cy'):
            KittiStereoFolder(folder)[0]


class TestMiddlebury:
    def test_release_2014_is_read(self, tmp_path):
        scene = tmp_path / 'Adirondack'
        write_image(scene / 'im0.png')
        write_image(scene / 'im1.png', 1)
        write_plane(scene / 'mask0nocc.png', cycle([0, 128, 255]))
        (scene / 'calib.txt').write_text(CALIBRATION_2014)
        values = np.arange(HEIGHT * WIDTH, dtype='<f4').reshape(HEIGHT, WIDTH)
        values[0, 0] = np.inf
        (scene / 'disp0.pfm').write_bytes(
            f'Pf\n{WIDTH} {HEIGHT}\n-1.0\n'.encode() + values[::-1].tobytes())
        pair = Middlebury(tmp_path)[0]
        assert pair.name == 'Adirondack'
        assert np.isnan(pair.disparity[0, 0])
        np.testing.assert_array_equal(pair.disparity.ravel()[1:], values.ravel()[1:])
        np.testing.assert_array_equal(pair.matched, cycle([0, 0, 1]) == 1)
        depth = pair.frame.geometry.depth(pair.disparity)[3, 7]  # Z = baseline f / (d + doffs)
        assert depth == pytest.approx(0.193001 * 3997.684 / (values[3, 7] + 131.111), rel=1e-6)
        assert pair.frame.geometry.cx_right == pytest.approx(1307.839)

    def test_release_2003_counts_in_quarters(self, tmp_path):
        write_image(tmp_path / 'cones/im2.png')
        write_image(tmp_path / 'cones/im6.png', 1)
        write_plane(tmp_path / 'cones/disp2.png', cycle([0, 22]))
        pair = Middlebury(tmp_path)[0]
        np.testing.assert_array_equal(pair.disparity[0, :2], [np.nan, 5.5])
        assert pair.matched is None

    def test_a_missing_right_image_is_named(self, tmp_path):
        write_image(tmp_path / 'cones/im2.png')
        with pytest.raises(DatasetError, match=r'cones/im6\.png must be a readable image'):
            Middlebury(tmp_path)[0]

    def test_a_folder_without_scenes_is_refused(self, tmp_path):
        write_image(tmp_path / 'a.png')
        with pytest.raises(DatasetError, match=r'a folder for each scene.*got no left image'):
            Middlebury(tmp_path)

    def test_damaged_calibration_is_named(self, tmp_path):
        write_image(tmp_path / 'im0.png')
        write_image(tmp_path / 'im1.png')
        (tmp_path / 'calib.txt').write_text('cam0=[1 2\n')
        with pytest.raises(DatasetError, match=r'calib\.txt must be a calibration with cam0'):
            Middlebury(tmp_path)[0]

    def test_damaged_archive_is_named(self, tmp_path):
        write_image(tmp_path / 'left.png')
        write_image(tmp_path / 'right.png')
        (tmp_path / 'disp.npz').write_bytes(b'PK no archive')
        with pytest.raises(DatasetError, match=r'disp\.npz must be an archive of one array'):
            Middlebury(tmp_path)[0]


class TestFloatMap:
    def test_big_endian_is_read_too(self, tmp_path):
        values = np.float32([[1, 2], [3, 4], [5, 6]])
        (tmp_path / 'a.pfm').write_bytes(b'Pf\n2 3\n1\n' + values[::-1].astype('>f4').tobytes())
        np.testing.assert_array_equal(read_float_map(tmp_path / 'a.pfm'), values)

    @pytest.mark.parametrize('content', [
        None, b'', b'PF\n1 1\n-1\n' + bytes(4), b'Pf\n2 2\n-1\n' + bytes(4), b'Pf\nx y\n-1\n'])
    def test_what_is_no_float_map_is_named(self, tmp_path, content):
        if content is not None:
            (tmp_path / 'a.pfm').write_bytes(content)
        with pytest.raises(DatasetError, match=r'a\.pfm must be a portable float map'):
            read_float_map(tmp_path / 'a.pfm')


def test_truth_of_another_size_is_refused(tmp_path):
    write_image(tmp_path / 'im2.png')
    write_image(tmp_path / 'im6.png')
    write_plane(tmp_path / 'disp2.png', cycle([4])[1:])
    with pytest.raises(DatasetError, match=r'disparity of .* must be \(12, 20\) float32 as '):
        Middlebury(tmp_path)[0]


def test_mask_of_another_type_is_refused(tmp_path):
    write_image(tmp_path / 'im2.png')
    write_image(tmp_path / 'im6.png')
    write_plane(tmp_path / 'disp2.png', cycle([4]))
    pair = Middlebury(tmp_path)[0]
    with pytest.raises(DatasetError, match=r'matched of x must be \(12, 20\) bool'):
        StereoPair('x', pair.frame, pair.disparity, np.ones((12, 20)))


def real_pairs(folder):
    scenes = Middlebury(folder / 'middlebury')
    return [KittiStereoFolder(folder / 'kitti2015_000046')[0],
            KittiStereoFolder(folder / 'kitti2012_000000')[0], *(scenes[i] for i in range(3))]


def test_real_disparity_carries_the_right_image_onto_the_left(real_data):
    pairs = real_pairs(real_data)
    assert [pair.name for pair in pairs[2:]] == ['cones', 'motorcycle', 'teddy']
    for pair in pairs:
        left, right = (image.mean(axis=2) for image in (pair.frame.left, pair.frame.right))
        rows, columns = np.nonzero(np.isfinite(pair.disparity))
        source = np.round(columns - pair.disparity[rows, columns]).astype(int)
        inside = source >= 0
        rows, columns, source = rows[inside], columns[inside], source[inside]
        error = np.abs(right[rows, source] - left[rows, columns]).mean()
        unmoved = np.abs(right[rows, columns] - left[rows, columns]).mean()
        assert error < unmoved / 2.5, pair.name


def test_real_calibrations_give_plausible_depths(real_data):
    pairs = real_pairs(real_data)
    depths = {pair.name: pair.frame.geometry.depth(pair.disparity) for pair in pairs}
    assert 4 < np.nanmin(depths['kitti2015_000046']) < np.nanmax(depths['kitti2015_000046']) < 90
    assert 4 < np.nanmin(depths['kitti2012_000000']) < np.nanmax(depths['kitti2012_000000']) < 90
    assert 2 < np.nanmin(depths['motorcycle']) < np.nanmax(depths['motorcycle']) < 6
