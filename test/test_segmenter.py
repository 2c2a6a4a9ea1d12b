# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API as a user calls it."""

import json
from pathlib import Path
import re
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image
import pytest
from stereo_frames import geometry, shifted_frame
import torch

import ldn_perception as ldn
from ldn_perception.build import build_perception, find_weights
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.images import read_disparity, read_rgb
from ldn_perception.errors import (
    BagError,
    ConfigError,
    FrameError,
    ModelError,
    OutputError,
    StereoError,
)
from ldn_perception.types import Quantity

ROOT = Path(__file__).resolve().parents[1]
KITTI = ROOT.parent / 'shared/data/kitti2015_000046'
SMALL = {
    'model__name': 'ldn_small', 'stereo__max_disparity': 64, 'device': 'cpu', 'engine': 'torch'}
CAMERA = ldn.StereoCamera.from_geometry(geometry())


@pytest.fixture(scope='module')
def segmenter():
    return ldn.load(**SMALL)


@pytest.fixture(scope='module')
def frame():
    return shifted_frame(12)


def equal(first, second):
    for name in ('labels', 'confidence', 'foreign_probability', 'ood_mask'):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize('model', ['ldn_small', 'scale_invariant_small'])
def test_a_pair_gives_what_the_pipeline_of_the_node_gives(model, frame):
    segmenter = ldn.load(**{**SMALL, 'model__name': model})
    result = segmenter(frame.left, frame.right, CAMERA)
    expected = build_perception(segmenter.config).pipeline.process(frame, Quantity.ALL)
    equal(result, expected.segmentation)
    np.testing.assert_array_equal(result.disparity, expected.disparity.to_host())
    np.testing.assert_array_equal(
        result.depth, frame.geometry.depth(expected.disparity.to_host()))


def test_a_result_has_the_types_that_are_documented(segmenter, frame):
    result = segmenter(frame.left, frame.right, CAMERA)
    assert (result.labels.shape, result.labels.dtype) == ((96, 160), np.uint8)
    assert result.ood_mask.dtype == np.bool_
    for values in (result.confidence, result.foreign_probability, result.disparity,
                   result.depth):
        assert (values.shape, values.dtype) == ((96, 160), np.float32)
    assert (result.points.shape, result.points.dtype) == ((96, 160, 3), np.float32)
    assert len(result.class_names) == len(result.colors) == len(segmenter.class_names)
    np.testing.assert_allclose(np.nanmedian(result.depth), 90 * 0.5 / 12, rtol=1e-3)
    row, column = 60, 100
    x, y, z = result.points[row, column]
    assert z == result.depth[row, column]
    np.testing.assert_allclose(
        (x, y), ((column - 77) * z / 90, (row - 50) * z / 91), rtol=1e-5)
    assert sum(result.label_counts().values()) == result.labels.size
    assert result.ood_share == result.ood_mask.mean()
    assert re.fullmatch(
        r'Result\(160x96, \d+ classes, \d+\.\d% out of distribution\)', repr(result))
    assert result.overlay().shape == (96, 160, 3)
    assert result._repr_png_().startswith(b'\x89PNG')


def test_one_image_is_enough_in_every_form(segmenter, frame, tmp_path):
    path = tmp_path / 'straße.png'
    Image.fromarray(frame.left).save(path)
    expected = segmenter(frame.left)
    assert expected.disparity is expected.depth is expected.points is None
    equal(expected, segmenter(frame.left, frame.right, CAMERA))
    for form in (path, str(path), Image.fromarray(frame.left), frame.left[:, ::-1][:, ::-1]):
        equal(segmenter(form), expected)
    read_only = frame.left.copy()
    read_only.flags.writeable = False
    equal(segmenter(read_only), expected)


def test_grey_images_are_taken_as_rgb_of_equal_channels(segmenter, frame):
    grey = frame.left[..., 0].copy()
    equal(segmenter(grey), segmenter(np.stack([grey] * 3, axis=2)))
    equal(segmenter(Image.fromarray(grey)), segmenter(grey))


def test_a_known_disparity_takes_the_place_of_the_right_image(segmenter, frame):
    known = np.full((96, 160), 9.0, np.float64)
    known[:, :5] = np.inf
    result = segmenter(frame.left, camera=CAMERA, disparity=known)
    np.testing.assert_array_equal(result.disparity[:, 5:], 9)
    assert np.isnan(result.disparity[:, :5]).all()
    np.testing.assert_allclose(result.depth[:, 5:], 90 * 0.5 / 9)
    scales = ldn.load(**{**SMALL, 'model__name': 'scale_invariant_small'})
    assert scales.needs_stereo
    assert scales(frame.left, camera=CAMERA, disparity=known).disparity[0, 9] == 9


def test_a_network_that_selects_its_scales_asks_for_stereo(frame):
    scales = ldn.load(**{**SMALL, 'model__name': 'scale_invariant_small'})
    with pytest.raises(StereoError, match=(
            r'^input of a network that selects its scales must be an image with its right image '
            r'or its disparity, got one image: give both images and the camera, or choose a '
            r'network that takes one image$')):
        scales(frame.left)


IMAGE = r'a path, a PIL image, or an \(H, W, 3\) uint8 RGB or \(H, W\) uint8 grey array'
WRONG = np.zeros((64, 80, 3), np.uint8)


@pytest.mark.parametrize(('image', 'text'), [
    (WRONG / 255, r'got \(64, 80, 3\) float64 in \[0, 1\]: pass \(image \* 255\)\.round\(\)'),
    (WRONG + np.float32(7), r'got \(64, 80, 3\) float32: convert it to uint8 in \[0, 255\]'),
    (WRONG.astype(np.uint16), r'got \(64, 80, 3\) uint16: convert it to uint8'),
    (np.zeros((64, 80, 4), np.uint8), r'got \(64, 80, 4\) uint8: drop the alpha channel'),
    (np.zeros((3, 64, 80), np.uint8), r'got \(3, 64, 80\) uint8: put the channels last'),
    (np.zeros((1, 64, 80, 3), np.uint8), r'got \(1, 64, 80, 3\) uint8: pass one image at a time'),
    (np.zeros((64, 80, 2), np.uint8), r'got \(64, 80, 2\) uint8: convert it to RGB'),
    (np.zeros((0, 80, 3), np.uint8), r'got \(0, 80, 3\) uint8: give an image with pixels'),
    (torch.zeros(3, 64, 80), r'got Tensor: pass image\.permute'),
    (None, r'got NoneType: convert it'),
])
def test_what_is_no_image_is_refused(segmenter, image, text):
    with pytest.raises(FrameError, match=f'^left image must be {IMAGE}, {text}'):
        segmenter(image)


def test_input_that_does_not_fit_together_is_refused(segmenter, frame):
    left, right = frame.left, frame.right
    with pytest.raises(FrameError, match=(
            r'^camera must be a StereoCamera beside a right image or a disparity, got none: read '
            r'it with StereoCamera.from_file')):
        segmenter(left, right)
    with pytest.raises(FrameError, match=r'^camera must be a StereoCamera .* got dict: read'):
        segmenter(left, right, {'fx': 90})
    with pytest.raises(FrameError, match=(
            r'^right image must be 160x96 as the left one, got 160x90: give both images')):
        segmenter(left, right[:90], CAMERA)
    with pytest.raises(FrameError, match=r'^right image must be a path, .* got \(96, 160, 1\)'):
        segmenter(left, right[..., :1], CAMERA)
    with pytest.raises(FrameError, match=(
            r'^images of the camera must be 160x96 as calibrated, got 160x90: give the')):
        segmenter(left[:90], right[:90], CAMERA)
    with pytest.raises(FrameError, match=r'^disparity must be \(96, 160\) as the left image, got'):
        segmenter(left, camera=CAMERA, disparity=np.zeros((96, 159)))
    with pytest.raises(FrameError, match=(
            r'floating-point array in pixels, NaN where unknown, got uint16: divide a KITTI')):
        segmenter(left, camera=CAMERA, disparity=np.zeros((96, 160), np.uint16))
    with pytest.raises(ModelError, match=(
            r'^image must be at least \d+ x \d+ pixels for this network, got 16 x 12: use')):
        segmenter(left[:12, :16])
    with pytest.raises(BagError, match=r'^image nowhere\.png must be a readable file'):
        segmenter('nowhere.png')


def test_matching_fails_where_the_disparity_is_asked_for(frame):
    result = ldn.load(**{**SMALL, 'stereo__max_disparity': 192})(frame.left, frame.right, CAMERA)
    assert result.labels.shape == (96, 160)
    with pytest.raises(StereoError, match='width of the images to match must be > '):
        result.disparity  # noqa: B018


@pytest.mark.parametrize(('arguments', 'kind', 'text'), [
    ({'weights': 'ldn999'}, ModelError, r'^weights must be a weights file \(\.safetensors\) or '
     r"one of .*scale_invariant_small, got 'ldn999': correct the path, or choose"),
    ({'weights': 'gone.safetensors'}, ModelError, r'^weights file gone.safetensors must be an'),
    ({'model__nam': 'ldn_small'}, ConfigError, r"^option must be one of .*, got 'model.nam'"),
    ({'size': (0, 64)}, ConfigError, r'^size must be width and height > 0 in pixels, got \(0, 64'),
    ({'device': 'tpu'}, ConfigError, r'^inference.device must be one of auto, cuda, cpu, got'),
])
def test_what_cannot_be_loaded_is_one_sentence(arguments, kind, text):
    with pytest.raises(kind, match=text):
        ldn.load(**arguments)


def test_random_weights_are_announced(caplog):
    segmenter = ldn.load(**SMALL)
    assert not segmenter.is_trained
    assert segmenter.made_by['weights'] == 'untrained'
    assert caplog.messages == [
        'UNTRAINED: no weights are shipped for ldn_small with taxonomy '
        f'{PerceptionConfig().model.taxonomy}, the network has random weights and its labels mean '
        'nothing']


def test_a_weights_file_brings_its_network_and_classes(tmp_path, frame):
    from evaluation_fixtures import write_weights

    from ldn_perception.taxonomy import CAMVID
    path = write_weights(tmp_path / 'mine.safetensors', CAMVID)
    segmenter = ldn.load(path, device='cpu', engine='torch')
    assert segmenter.class_names == CAMVID.class_names
    assert repr(segmenter) == (
        f'Segmenter(ldn_small, weights mine.safetensors, taxonomy camvid, '
        f'{segmenter.made_by["engine"]})')
    assert segmenter(frame.left).made_by == segmenter.made_by


def test_the_network_sees_images_at_the_size_asked_for(frame):
    seen = ldn.load(**SMALL, size=(80, 64))
    assert seen.made_by['engine'].endswith(', at 80x64')
    result = seen(frame.left, frame.right, CAMERA)
    assert result.labels.shape == result.disparity.shape == (96, 160)
    scales = ldn.load(**{**SMALL, 'model__name': 'scale_invariant_small'}, size=(80, 64))
    assert scales(frame.left, frame.right, CAMERA).labels.shape == (96, 160)
    same = ldn.load(**SMALL, size=(160, 96))
    equal(same(frame.left), ldn.load(**SMALL)(frame.left))


def test_raw_images_are_rectified_as_the_camera_says(frame, segmenter):
    with ldn.load(**SMALL, input__rectify=True) as raw, pytest.raises(
            ldn.LdnPerceptionError, match='camera for raw images must be read from camera_info'):
        raw(frame.left, frame.right, CAMERA)


class TestStream:
    def test_images_of_a_folder(self, segmenter, frame, tmp_path):
        for number in range(3):
            Image.fromarray(np.roll(frame.left, number, 1)).save(tmp_path / f'{number}.png')
        results = dict(segmenter.stream(tmp_path))
        assert list(results) == ['0', '1', '2']
        equal(results['1'], segmenter(tmp_path / '1.png'))

    def test_damaged_images_are_left_out_or_raise(self, segmenter, frame, tmp_path):
        Image.fromarray(frame.left).save(tmp_path / 'b.png')
        (tmp_path / 'a.png').write_text('none')
        Image.fromarray(frame.left[:12, :16]).save(tmp_path / 'c.png')
        refused = []
        found = [name for name, _ in segmenter.stream(
            tmp_path, refuse=lambda name, error: refused.append((name, type(error))))]
        assert found == ['b']
        assert refused == [('a', BagError), ('c', ModelError)]
        with pytest.raises(BagError, match=r'a\.png must be a PNG, JPEG or the like'):
            list(segmenter.stream(tmp_path))

    def test_pairs_of_a_folder(self, segmenter, frame, tmp_path):
        for side in ('left', 'right'):
            (tmp_path / side).mkdir()
            Image.fromarray(getattr(frame, side)).save(tmp_path / side / '7.png')
        [(name, result)] = segmenter.stream(tmp_path, camera=CAMERA)
        assert (name, result.geometry) == ('7', frame.geometry)
        expected = segmenter(frame.left, frame.right, CAMERA)
        equal(result, expected)
        np.testing.assert_array_equal(result.disparity, expected.disparity)
        [(_, result)] = segmenter.stream(
            tmp_path / 'left', right=tmp_path / 'right', camera=CAMERA)
        np.testing.assert_array_equal(result.disparity, expected.disparity)
        (tmp_path / 'calib.json').write_text(json.dumps({
            'fx': 90, 'fy': 91, 'cx': 77, 'cy': 50, 'baseline_m': 0.5}))
        [(_, result)] = segmenter.stream(tmp_path)
        assert result.geometry == frame.geometry

    def test_pairs_of_a_bag(self, segmenter, frame, tmp_path):
        with StereoBagWriter(tmp_path / 'drive') as writer:
            writer.write(frame)
        [(name, result)] = segmenter.stream(tmp_path / 'drive')
        assert (name, result.stamp_ns) == (str(frame.stamp_ns), frame.stamp_ns)
        equal(result, segmenter(frame.left))
        assert result.depth is not None
        [(_, one)] = segmenter.stream(tmp_path / 'drive', topic='right/image_rect')
        equal(one, segmenter(frame.right))
        assert one.disparity is None


class TestFiles:
    def test_they_hold_what_the_result_holds(self, segmenter, frame, tmp_path):
        result = segmenter(frame.left, frame.right, CAMERA)
        kinds = ('labels', 'labels_color', 'ood', 'overlay', 'confidence', 'foreign_probability',
                 'disparity', 'json')
        written = result.save(tmp_path, 'a/b', kinds)
        assert written == [
            tmp_path / kind / ('a/b.json' if kind == 'json' else 'a/b.png') for kind in kinds]

        def read(kind):
            return cv2.imread(str(tmp_path / kind / 'a/b.png'), cv2.IMREAD_UNCHANGED)

        np.testing.assert_array_equal(read('labels'), result.labels)
        np.testing.assert_array_equal(read('ood') > 0, result.ood_mask)
        np.testing.assert_array_equal(read_rgb(written[3]), result.overlay())
        np.testing.assert_allclose(
            read('foreign_probability') / 65535, result.foreign_probability, atol=1e-5)
        np.testing.assert_allclose(
            read_disparity(tmp_path / 'disparity/a/b.png'), result.disparity, atol=1 / 256)
        summary = json.loads(written[-1].read_text())
        assert summary == result.summary()
        assert summary['non_finite_pixels'] == result.num_non_finite == 0
        assert sum(summary['label_shares'].values()) == pytest.approx(1)

    def test_without_stereo_there_is_no_disparity(self, segmenter, frame, tmp_path):
        assert segmenter(frame.left).save(tmp_path, 'x', ['disparity']) == []

    def test_errors_name_the_file(self, segmenter, frame, tmp_path):
        result = segmenter(frame.left)
        with pytest.raises(ConfigError, match=r"^artefact to save must be one of labels, .*'png'"):
            result.save(tmp_path, 'x', ['png'])
        (tmp_path / 'labels').write_text('')
        with pytest.raises(OutputError, match=(
                r'labels/x\.png must be writable, got .*: choose another folder')):
            result.save(tmp_path, 'x', ['labels'])


def test_weights_and_networks_are_listed():
    weights = ldn.list_weights()
    default = PerceptionConfig().model
    assert [(entry.model, entry.taxonomy) for entry in weights if entry.is_default] == [
        (default.name, default.taxonomy)]
    assert all(entry.path.is_file() for entry in weights)
    models = {model.name: model for model in ldn.list_models()}
    assert [entry.name for entry in weights if entry.is_default] == list(
        models[default.name].weights)
    assert models['ldn_small'].num_parameters == 515267
    assert models['scale_invariant_small'].needs_stereo
    assert not models['ldn_small'].needs_stereo


def test_importing_is_cheap_and_nothing_needs_ros_or_an_optional_package():
    blocked = (
        'rclpy', 'message_filters', 'sensor_msgs', 'matplotlib', 'trimesh', 'embreex', 'ray',
        'nncf', 'onnxruntime', 'onnxscript', 'tensorboard', 'scipy', 'sklearn')
    code = f"""
import sys
sys.modules.update(dict.fromkeys({blocked!r}))
import ldn_perception as ldn
assert not {{'numpy', 'torch', 'cv2'}} & sys.modules.keys()
assert set(ldn.__all__) <= set(dir(ldn))
for name in ldn.__all__:
    getattr(ldn, name)
import numpy
import ldn_perception.cli.predict
segmenter = ldn.load(**{SMALL!r})
print(segmenter(numpy.zeros((64, 80, 3), numpy.uint8)))
try:
    ldn.lod
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('Result(80x64, ')
    assert "module 'ldn_perception' has no attribute 'lod'" in done.stdout


@pytest.mark.skipif(not KITTI.is_dir(), reason=f'no images in {KITTI}')
def test_the_shipped_weights_see_the_road():
    from ldn_perception.data.image_folder import ImageFolder
    from ldn_perception.taxonomy import TAXONOMIES
    segmenter = ldn.load(device='cpu', engine='torch')
    assert segmenter.made_by['weights'] == find_weights(PerceptionConfig().model).name
    camera = ldn.StereoCamera.from_file(KITTI / 'calib.json')
    result = segmenter(KITTI / 'left.png', KITTI / 'right.png', camera)
    [sample] = ImageFolder(KITTI)
    num_driving = TAXONOMIES[segmenter.config.model.taxonomy].num_driving
    assert ldn.metrics.pixel_accuracy(result.labels, sample.labels, num_driving) > 0.6
    assert ldn.metrics.disparity_errors(result.disparity, sample.disparity).d1_matched < 0.1
    assert result.ood_share < 0.2
