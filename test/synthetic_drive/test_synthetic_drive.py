# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image
import pytest

from ldn_perception.errors import DatasetError
from ldn_perception.synthetic_drive import ParallelDrive, SyntheticDrive, write_images
from ldn_perception.synthetic_drive.shapes import Surface
from ldn_perception.synthetic_drive.street import BLOCK_M, Street, lane_paint
from ldn_perception.synthetic_drive.traffic import Mover, Traffic
from ldn_perception.taxonomy import CITYSCAPES

SEED = 4
WIDTH, HEIGHT = 320, 160


def train_id(name):
    return CITYSCAPES.class_names.index(name)


@pytest.fixture(scope='module')
def drive():
    return SyntheticDrive(seed=SEED, num_frames=60, width=WIDTH, height=HEIGHT)


@pytest.fixture(scope='module')
def sample(drive):
    return drive[5]


def assert_equal_samples(one, other):
    for name in ('disparity', 'labels', 'foreign', 'occluded', 'pose'):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.frame.left, other.frame.left)
    np.testing.assert_array_equal(one.frame.right, other.frame.right)


def warped_to_left(image, disparity):
    columns, rows = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
    source = (columns - np.nan_to_num(disparity)).astype(np.float32)
    return cv2.remap(image, source, rows.astype(np.float32), cv2.INTER_LINEAR)


def world_points(sample):
    """Where each pixel's point is, straight from the pinhole equations."""
    geometry = sample.frame.geometry
    depth = geometry.fx * geometry.baseline / sample.disparity.astype(np.float64)
    columns, rows = np.meshgrid(np.arange(geometry.width), np.arange(geometry.height))
    optical = np.stack([(columns - geometry.cx) / geometry.fx * depth,
                        (rows - geometry.cy) / geometry.fy * depth, depth], axis=-1)
    return optical @ sample.pose[:3, :3].T + sample.pose[:3, 3]


class TestDeterminism:
    def test_same_seed_and_index_give_the_same_bytes_in_any_order(self, drive, sample):
        again = SyntheticDrive(seed=SEED, num_frames=60, width=WIDTH, height=HEIGHT)
        late = again[40]  # past the first block: another static scene is built first
        assert_equal_samples(again[5], sample)
        assert_equal_samples(drive[40], late)
        assert_equal_samples(drive[5], sample)

    def test_another_seed_gives_another_street(self, sample):
        other = SyntheticDrive(seed=SEED + 1, num_frames=60, width=WIDTH, height=HEIGHT)[5]
        assert (other.labels != sample.labels).mean() > 0.1
        difference = other.frame.left.astype(float) - sample.frame.left
        assert np.abs(difference).mean() > 15

    def test_noise_differs_between_cameras_and_frames(self):
        still = SyntheticDrive(
            seed=SEED, width=64, height=32, speed_m_per_s=1e-9, baseline_m=1e-9,
        )[0].frame
        difference = still.left.astype(float) - still.right
        assert 1.0 < difference.std() < 4.0


class TestSample:
    def test_shapes_types_and_stamps(self, drive, sample):
        shape = (HEIGHT, WIDTH)
        assert sample.frame.left.shape == sample.frame.right.shape == (*shape, 3)
        assert sample.frame.stamp_ns == 600_000_000
        assert sample.frame.frame_id == 'left_optical'
        expected = {'disparity': np.float32, 'labels': np.uint8, 'foreign': np.bool_,
                    'occluded': np.bool_}
        for name, dtype in expected.items():
            values = getattr(sample, name)
            assert (values.shape, values.dtype) == (shape, dtype), name
        assert sample.pose.shape == (4, 4)

    def test_length_negative_index_and_end(self, drive):
        assert len(drive) == 60
        assert drive[-1].frame.stamp_ns == 6_000_000_000
        with pytest.raises(IndexError):
            drive[60]

    def test_iterating_visits_every_sample_in_order(self):
        small = SyntheticDrive(seed=1, num_frames=3, width=32, height=16, rate_hz=4)
        assert [item.frame.stamp_ns for item in small] == [250_000_000, 500_000_000, 750_000_000]

    def test_sky_has_no_disparity_and_everything_else_has(self, sample):
        sky = sample.labels == train_id('sky')
        assert sky.any()
        np.testing.assert_array_equal(np.isnan(sample.disparity), sky)
        assert (sample.disparity[~sky] > 0).all()
        assert not sample.occluded[sky].any()

    def test_foreign_objects_are_void_and_can_be_left_out(self, drive, sample):
        assert sample.foreign.sum() > 100
        assert (sample.labels[sample.foreign] == 255).all()
        without = SyntheticDrive(
            seed=SEED, num_frames=60, width=WIDTH, height=HEIGHT, foreign_objects=False,
        )[5]
        assert not without.foreign.any()
        assert (without.labels != 255).all()

    def test_a_drive_shows_the_classes_of_a_street(self, drive):
        seen = np.unique(np.concatenate([drive[i].labels.ravel() for i in range(0, 60, 8)]))
        names = {CITYSCAPES.class_names[label] for label in seen if label != 255}
        assert names >= {'road', 'sidewalk', 'building', 'vegetation', 'sky', 'car', 'pole',
                         'person', 'traffic light', 'traffic sign', 'bicycle', 'rider'}


class TestGeometry:
    def test_road_lies_in_the_plane_that_the_pose_predicts(self, sample):
        geometry = sample.frame.geometry
        rows, columns = np.nonzero(sample.labels == train_id('road'))
        rays = np.stack([(columns - geometry.cx) / geometry.fx, (rows - geometry.cy) / geometry.fy,
                         np.ones(len(rows))], axis=1) @ sample.pose[:3, :3].T
        depth = -sample.pose[2, 3] / rays[:, 2]  # the road is z = 0 of the world
        expected = geometry.fx * geometry.baseline / depth
        np.testing.assert_allclose(sample.disparity[rows, columns], expected, rtol=2e-4)

    def test_disparity_and_label_agree_with_intersecting_every_triangle(self, drive, sample):
        street = Street(SEED)
        traffic = Traffic(SEED, street, 8.0, 48.0)
        scene = Surface.concatenate([street.window(0), traffic.at(0.5, 4.0, 0.0)])
        rng = np.random.default_rng(0)
        valid = np.flatnonzero(np.isfinite(sample.disparity).ravel())
        geometry = sample.frame.geometry
        for pixel in rng.choice(valid, 25, replace=False):
            row, column = divmod(int(pixel), WIDTH)
            ray = sample.pose[:3, :3] @ [(column - geometry.cx) / geometry.fx,
                                         (row - geometry.cy) / geometry.fy, 1.0]
            depth, triangle = nearest_triangle(scene.corners, sample.pose[:3, 3], ray)
            disparity = geometry.fx * geometry.baseline / depth
            assert sample.disparity[row, column] == pytest.approx(disparity, rel=1e-3)
            assert sample.labels[row, column] == scene.label[triangle]

    def test_right_image_warped_by_the_disparity_is_the_left_image(self, sample):
        seen = np.isfinite(sample.disparity) & ~sample.occluded
        left = sample.frame.left.astype(float)
        error = np.abs(warped_to_left(sample.frame.right, sample.disparity) - left)[seen].mean()
        mirrored = np.abs(warped_to_left(sample.frame.right, -sample.disparity) - left)
        unmoved = np.abs(sample.frame.right - left)
        assert error < 7
        assert error < 0.5 * mirrored[seen].mean()
        assert error < 0.5 * unmoved[seen].mean()

    def test_occlusion_agrees_with_a_forward_warp(self, sample):
        expected = np.zeros((HEIGHT, WIDTH), bool)
        for row in range(HEIGHT):
            disparity = np.nan_to_num(sample.disparity[row])
            target = np.arange(WIDTH) - disparity
            gap = np.abs(target[:, None] - target[None, :])  # (W, W)
            in_front = disparity[None, :] > disparity[:, None] + 0.75
            expected[row] = ((gap < 0.5) & in_front).any(axis=1) | (target < -0.5)
        valid = np.isfinite(sample.disparity)
        both = (sample.occluded & expected & valid).sum()
        assert both / (sample.occluded & valid).sum() > 0.85
        assert both / (expected & valid).sum() > 0.85

    def test_points_left_of_the_right_image_are_occluded(self, sample):
        outside = np.arange(WIDTH) - np.nan_to_num(sample.disparity) < -0.5
        assert outside.any()
        assert sample.occluded[outside].all()
        assert not sample.occluded[:, -1].all()

    def test_a_block_matcher_finds_the_disparity(self):
        pair = SyntheticDrive(seed=SEED)[5]
        matcher = cv2.StereoSGBM_create(0, 96, 5, P1=200, P2=800, uniquenessRatio=5,
                                        speckleWindowSize=60, speckleRange=2)
        gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                for image in (pair.frame.left, pair.frame.right)]
        found = matcher.compute(*gray).astype(np.float32) / 16
        scored = np.isfinite(pair.disparity) & ~pair.occluded & (found >= 0)
        scored[:, :96] = False
        assert scored.mean() > 0.45
        assert (np.abs(found - pair.disparity)[scored] > 3).mean() < 0.15


class TestMotion:
    def test_camera_moves_forward_at_the_given_speed(self, drive):
        poses = [drive[i].pose for i in (0, 10)]
        step = poses[1][:3, 3] - poses[0][:3, 3]
        assert step[0] == pytest.approx(8.0)
        forward = poses[0][:3, 2]
        assert forward @ step > 0.95 * np.linalg.norm(step)
        np.testing.assert_allclose(poses[0][:3, :3] @ poses[0][:3, :3].T, np.eye(3), atol=1e-12)

    def test_static_points_have_the_depth_that_the_next_pose_predicts(self, drive, sample):
        after = drive[7]
        geometry = after.frame.geometry
        static = np.isin(sample.labels, [train_id(n) for n in ('road', 'building', 'sidewalk')])
        points = world_points(sample)[static] - after.pose[:3, 3]
        optical = points @ after.pose[:3, :3]
        columns = np.round(optical[:, 0] / optical[:, 2] * geometry.fx + geometry.cx).astype(int)
        rows = np.round(optical[:, 1] / optical[:, 2] * geometry.fy + geometry.cy).astype(int)
        inside = ((optical[:, 2] > 1) & (columns >= 0) & (columns < WIDTH) & (rows >= 0)
                  & (rows < HEIGHT))
        expected = geometry.fx * geometry.baseline / optical[inside, 2]
        error = np.abs(after.disparity[rows[inside], columns[inside]] - expected)
        assert inside.sum() > 10_000
        assert np.nanmedian(error) < 0.1
        assert (error > 1).mean() < 0.08

    def test_movers_advance_with_time_and_come_round_again(self):
        street = Street(SEED)
        speck = Surface.concatenate([street.window(0)]).placed(0, 0)
        mark = Mover((first_triangle(speck),), start_m=20.0, speed_m_per_s=-5.0, across_m=1.0)
        places = [mark.placed(street, t, 0.0, 0.0).corners[..., 0].mean() for t in (0.0, 2.0)]
        assert places[1] - places[0] == pytest.approx(-10.0, abs=0.5)
        assert len(mark.placed(street, 20.0, 0.0, 0.0)) == 0  # far ahead, on its way back


class TestLongDrive:
    def test_street_has_no_end(self):
        far = SyntheticDrive(seed=2, num_frames=20_000, width=64, height=32)[19_999]
        assert far.pose[0, 3] > 15_000
        assert (far.labels == train_id('road')).mean() > 0.15
        road = world_points(far)[far.labels == train_id('road')]
        assert np.abs(road[:, 2]).max() < 0.01

    def test_no_foreign_object_reaches_into_the_path_of_the_camera(self):
        for seed in range(3):
            street = Street(seed)
            scene = street.window(3)
            corners = scene.corners[scene.foreign].reshape(-1, 3)
            across = corners[:, 1] - street.center(corners[:, 0] + 3 * BLOCK_M)
            assert len(corners) > 1000
            assert not ((across > -2.2) & (across < -1.05)).any()

    def test_blocks_of_one_street_differ_and_join(self):
        street = Street(SEED)
        one, other = street.window(0), street.window(1)
        assert len(one) != len(other)
        assert one.corners[..., 0].min() <= -BLOCK_M
        assert one.corners[..., 0].max() >= 4 * BLOCK_M


class TestRoadPaint:
    def test_coverage_is_the_mean_over_the_pixel(self):
        fine = np.linspace(-0.2, 0.2, 4001, dtype=np.float32)
        tiny, ones = np.full_like(fine, 1e-4), np.zeros_like(fine)
        mean = lane_paint(ones, fine, tiny, tiny).mean()
        pixel = np.array([0.4], np.float32)
        zero = np.zeros(1, np.float32)
        whole = lane_paint(zero, zero, np.full(1, 1e-4, np.float32), pixel)
        assert whole[0] == pytest.approx(mean, abs=2e-3)


class TestFiles:
    def test_written_files_read_back(self, tmp_path):
        small = SyntheticDrive(seed=SEED, num_frames=2, width=96, height=48)
        counts = []
        write_images(small, tmp_path, lambda done, total: counts.append((done, total)))
        assert counts == [(1, 2), (2, 2)]
        truth = small[1]

        def read(folder):
            return np.asarray(Image.open(tmp_path / folder / '000001.png'))

        np.testing.assert_array_equal(read('left'), truth.frame.left)
        np.testing.assert_array_equal(read('right'), truth.frame.right)
        np.testing.assert_array_equal(read('labels'), truth.labels)
        np.testing.assert_array_equal(read('foreign'), 255 * truth.foreign.astype(np.uint8))
        steps = cv2.imread(str(tmp_path / 'disparity' / '000001.png'), cv2.IMREAD_UNCHANGED)
        assert steps.dtype == np.uint16
        valid = np.isfinite(truth.disparity)
        np.testing.assert_array_equal(steps == 0, ~valid)
        np.testing.assert_allclose(steps[valid] / 256, truth.disparity[valid], atol=1 / 512)
        poses = np.loadtxt(tmp_path / 'poses.txt')
        np.testing.assert_allclose(poses[1].reshape(3, 4), truth.pose[:3], atol=1e-6)
        calibration = json.loads((tmp_path / 'calib.json').read_text())
        assert calibration == {
            'fx': pytest.approx(52.8), 'fy': pytest.approx(52.8), 'cx': 47.5, 'cy': 23.5,
            'baseline_m': 0.54, 'width': 96, 'height': 48, 'rate_hz': 10.0,
        }

    def test_directory_that_is_a_file_is_refused(self, tmp_path):
        (tmp_path / 'file').write_text('')
        small = SyntheticDrive(seed=SEED, num_frames=1, width=32, height=16)
        with pytest.raises(DatasetError, match=r'must be writable, got .*: choose'):
            write_images(small, tmp_path / 'file')


class TestErrors:
    @pytest.mark.parametrize(('arguments', 'sentence'), [
        ({'seed': -1}, 'seed of the synthetic drive must be a whole number >= 0, got -1'),
        ({'num_frames': 0}, 'num_frames of the synthetic drive must be a whole number >= 1'),
        ({'width': 0}, 'width of the synthetic drive must be a whole number >= 16, got 0'),
        ({'height': -3}, 'height of the synthetic drive must be a whole number >= 16, got -3'),
        ({'width': 64.5}, 'must be a whole number >= 16, got 64.5'),
        ({'rate_hz': 0}, 'rate_hz of the synthetic drive must be finite and > 0, got 0'),
        ({'speed_m_per_s': float('nan')}, 'speed_m_per_s .* must be finite and > 0, got nan'),
        ({'baseline_m': -0.5}, 'baseline_m of the synthetic drive must be finite and > 0'),
    ])
    def test_arguments_out_of_range_are_refused(self, arguments, sentence):
        with pytest.raises(DatasetError, match=sentence):
            SyntheticDrive(**arguments)

    def test_missing_ray_caster_names_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'embreex', None)
        with pytest.raises(DatasetError, match=(
                r'got no embreex: pip install "ldn_perception\[synthetic\]"')):
            SyntheticDrive(width=32, height=16)

    def test_missing_mesh_library_names_the_package(self):
        code = ("import sys; sys.modules['trimesh'] = None; "
                'import ldn_perception.synthetic_drive')
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
        assert 'DatasetError: the synthetic drive must be run with trimesh installed, ' \
            'got no trimesh: pip install "ldn_perception[synthetic]"' in done.stderr


def first_triangle(surface):
    return Surface(surface.corners[:1] * 0, surface.normals[:1], surface.uv[:1],
                   surface.color[:1], surface.label[:1], surface.material[:1],
                   surface.foreign[:1])


def nearest_triangle(corners, origin, ray):
    """Intersect a ray with every triangle (Cramer's rule on the barycentric equations)."""
    first = corners[:, 0].astype(np.float64)
    one, two = corners[:, 1] - first, corners[:, 2] - first
    normal = np.cross(one, two)
    with np.errstate(divide='ignore', invalid='ignore'):
        determinant = -(normal @ ray)
        offset = origin - first
        turned = np.cross(offset, ray)
        u = (two * turned).sum(axis=1) / determinant
        v = -(one * turned).sum(axis=1) / determinant
        depth = (offset * normal).sum(axis=1) / determinant
        hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (depth > 1e-6)
    depth = np.where(hit, depth, np.inf)
    return depth.min(), depth.argmin()


def test_several_processes_render_the_same_drive():
    drive = SyntheticDrive(4, 5, 64, 48)
    parallel = ParallelDrive(drive, 2)
    assert len(parallel) == 5
    for ours, expected in zip(parallel, drive, strict=True):
        assert ours.frame.stamp_ns == expected.frame.stamp_ns
        np.testing.assert_array_equal(ours.frame.left, expected.frame.left)
        np.testing.assert_array_equal(ours.frame.right, expected.frame.right)
        np.testing.assert_array_equal(ours.disparity, expected.disparity)
        np.testing.assert_array_equal(ours.occluded, expected.occluded)
