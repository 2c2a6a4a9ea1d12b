# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from raw_rig import LENSES, info, rectified_rig
from stereo_frames import geometry, header, image_message, info_message, namespace, shifted_frame
import torch

from ldn_perception.data.message_fields import (
    POINT_TYPE,
    disparity_fields,
    image_fields,
    occupancy_grid_fields,
    point_cloud_fields,
)
from ldn_perception.data.messages import (
    ENCODINGS,
    calibration_from_message,
    disparity_from_message,
    frame_from_messages,
    geometry_from_messages,
    image_from_message,
    stamp_ns,
)
from ldn_perception.errors import FrameError, MessageError
from ldn_perception.stereo.rectification import Rectifier
from ldn_perception.types import DisparityMap, GroundGrid, Segmentation

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
GREY = RGB[..., :1]
BAYER_ORDER = {'rggb': 'RGGB', 'bggr': 'BGGR', 'gbrg': 'GBRG', 'grbg': 'GRBG'}


def message_of(pixels, encoding, *, padding=0, big_endian=False):
    """An image message whose rows are padded with junk, in either byte order."""
    stored = pixels.astype(pixels.dtype.newbyteorder('>' if big_endian else '<'))
    rows = np.ascontiguousarray(stored).view(np.uint8).reshape(pixels.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
        is_bigendian=int(big_endian), step=padded.shape[1], data=padded.reshape(-1))


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(('encoding', 'stored'), [
    ('rgb8', RGB),
    ('bgr8', RGB[..., ::-1]),
    ('8UC3', RGB[..., ::-1]),
    ('rgba8', np.dstack([RGB, GREY])),
    ('bgra8', np.dstack([RGB[..., ::-1], GREY])),
])
def test_colour_encodings_become_rgb(encoding, stored, padding):
    image = image_from_message(message_of(stored, encoding, padding=padding))
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_three_equal_channels(encoding):
    image = image_from_message(message_of(GREY, encoding, padding=3))
    np.testing.assert_array_equal(image, np.repeat(GREY, 3, 2))


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize(('encoding', 'expected'), [
    ('mono16', np.repeat(GREY, 3, 2)), ('16UC1', np.repeat(GREY, 3, 2)), ('rgb16', RGB),
    ('bgr16', RGB[..., ::-1]),
])
def test_sixteen_bit_keeps_the_upper_byte_in_either_byte_order(encoding, expected, big_endian):
    source = GREY if expected.shape[2] == 3 and encoding in ('mono16', '16UC1') else RGB
    stored = source.astype(np.uint16) * 256 + 77
    image = image_from_message(message_of(stored, encoding, padding=2, big_endian=big_endian))
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('order', BAYER_ORDER)
def test_a_mosaic_of_one_colour_becomes_that_colour(order, bits):
    color = {'R': 200, 'G': 120, 'B': 30}
    cells = np.array([color[letter] for letter in BAYER_ORDER[order]]).reshape(2, 2)
    mosaic = np.tile(cells, (8, 8)).astype(np.uint16)[..., None]
    stored = mosaic.astype(np.uint8) if bits == 8 else mosaic * 256
    image = image_from_message(message_of(stored, f'bayer_{order}{bits}'))
    np.testing.assert_array_equal(image[2:-2, 2:-2], np.broadcast_to([200, 120, 30], (12, 12, 3)))


@pytest.mark.parametrize(('encoding', 'luma_channel'), [
    ('yuv422', 1), ('uyvy', 1), ('yuv422_yuy2', 0), ('yuyv', 0),
])
def test_yuv_without_chroma_is_grey(encoding, luma_channel):
    stored = np.full((4, 8, 2), 128, np.uint8)
    stored[..., luma_channel] = 126
    image = image_from_message(message_of(stored, encoding))
    np.testing.assert_allclose(image, round(1.164 * (126 - 16)), atol=1)


@pytest.mark.parametrize(('encoding', 'chroma'), [('nv12', (90, 240)), ('nv21', (240, 90))])
def test_two_plane_yuv_has_its_chroma_in_the_right_order(encoding, chroma):
    stored = np.full((6, 8, 1), 82, np.uint8)
    stored[4:, :, 0] = np.tile(chroma, 4)
    message = message_of(stored, encoding)
    message.height = 4
    image = image_from_message(message)
    assert image.shape == (4, 8, 3)
    assert (image[..., 0] > 220).all()  # BT.601: Y 82, U 90, V 240 is red
    assert (image[..., 1:] < 40).all()


def test_every_encoding_is_covered_here():
    tested = {
        'rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', 'mono8', '8UC1', 'mono16', '16UC1', 'rgb16',
        'bgr16', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21',
        *(f'bayer_{order}{bits}' for order in BAYER_ORDER for bits in (8, 16)),
    }
    assert tested == set(ENCODINGS)


def test_rgb_is_a_view_of_the_message():
    message = message_of(RGB, 'rgb8', padding=4)
    assert np.shares_memory(image_from_message(message), message.data)


def test_a_compressed_image_is_decoded():
    stream = cv2.imencode('.png', RGB[..., ::-1])[1].reshape(-1)
    image = image_from_message(SimpleNamespace(format='png', data=stream))
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize('stream', [b'', b'no image at all'])
def test_a_broken_stream_is_refused(stream):
    with pytest.raises(MessageError, match=r'compressed image must be a JPEG or PNG stream, got '
                       rf"{len(stream)} bytes of format 'jpeg': check") as caught:
        image_from_message(SimpleNamespace(format='jpeg', data=stream))
    assert caught.value.reason == 'bad_image'


@pytest.mark.parametrize(('changes', 'reason', 'text'), [
    ({'encoding': 'yuv444'}, 'unknown_encoding',
     r"image encoding must be one of rgb8, .*, got 'yuv444': convert it"),
    ({'step': 23}, 'bad_image', r'step of a 8x6 rgb8 image must be >= 24 bytes, got 23: fix'),
    ({'data': b'123'}, 'bad_image',
     r'data of a 8x6 rgb8 image must be 144 bytes .*, got 3 bytes: fix'),
    ({'height': 0, 'data': b''}, 'bad_image', r'must be 0 bytes \(step x rows\) and not empty'),
])
def test_a_wrong_image_is_refused_with_its_reason(monkeypatch, changes, reason, text):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    message = message_of(RGB, 'rgb8')
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(MessageError, match=text) as caught:
        image_from_message(message)
    assert caught.value.reason == reason


@pytest.fixture
def cv_bridge(monkeypatch):
    """A stand-in for cv_bridge that knows rgba16; the messages it was asked for, by target."""
    asked = []

    class CvBridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            asked.append((message.encoding, desired_encoding))
            if message.encoding != 'rgba16':
                raise TypeError(f'[{message.encoding}] is not a color format')
            stored = np.frombuffer(message.data, np.uint16).reshape(6, 8, 4)
            return (stored[..., :3] >> 8).astype(np.uint8)

    monkeypatch.setitem(sys.modules, 'cv_bridge', SimpleNamespace(CvBridge=CvBridge))
    return asked


def test_an_encoding_that_is_not_known_is_left_to_cv_bridge(cv_bridge):
    stored = np.dstack([RGB, GREY]).astype(np.uint16) * 256
    image = image_from_message(message_of(stored, 'rgba16'))
    np.testing.assert_array_equal(image, RGB)
    assert cv_bridge == [('rgba16', 'rgb8')]


def test_an_encoding_that_is_known_is_not_left_to_cv_bridge(cv_bridge):
    image_from_message(message_of(RGB, 'rgb8'))
    assert cv_bridge == []


def test_an_encoding_that_cv_bridge_refuses_is_refused_with_its_words(cv_bridge):
    message = message_of(RGB.astype(np.float32), '32FC3')
    with pytest.raises(MessageError, match=(
        r"image encoding must be one of rgb8, .*, or one that cv_bridge turns into rgb8, got "
        r"'32FC3' \(\[32FC3\] is not a color format\): convert it before this node"
    )) as caught:
        image_from_message(message)
    assert caught.value.reason == 'unknown_encoding'


def test_without_cv_bridge_an_unknown_encoding_says_that_it_would_decode_more(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(MessageError, match=(
        r"image encoding must be one of rgb8, .*, got 'rgba16': convert it before this node, "
        r'e.g. with image_proc, or install cv_bridge, which decodes more')) as caught:
        image_from_message(message_of(RGB, 'rgba16'))
    assert caught.value.reason == 'unknown_encoding'


def test_geometry_survives_the_way_through_camera_info():
    rig = geometry(cx_right=70.5)
    assert geometry_from_messages(info_message(rig, 'left'), info_message(rig, 'right')) == rig


def test_region_of_interest_and_binning_apply_to_the_projection():
    rig = geometry(width=160, height=96)
    region = {'x_offset': 20, 'y_offset': 10, 'width': 80, 'height': 40, 'do_rectify': False}
    changes = {'roi': namespace(region), 'binning_x': 2, 'binning_y': 2}
    seen = geometry_from_messages(
        info_message(rig, 'left', **changes), info_message(rig, 'right', **changes))
    assert (seen.width, seen.height) == (40, 20)
    assert (seen.fx, seen.cx, seen.cy) == (45.0, (rig.cx - 20) / 2, (rig.cy - 10) / 2)
    assert seen.baseline == rig.baseline


@pytest.mark.parametrize(('side', 'field', 'index', 'value', 'reason', 'text'), [
    ('left', 'k', 0, 0, 'uncalibrated',
     r'K\[0\] of the left camera_info must be the focal length, got 0: calibrate'),
    ('right', 'k', 0, 0, 'uncalibrated', r'K\[0\] of the right camera_info'),
    ('left', 'p', 2, math.nan, 'bad_camera_info',
     r'K and P of the left camera_info must be finite, got NaN or infinity'),
    ('left', 'p', 0, -3, 'bad_camera_info',
     r'P\[0\] and P\[5\] of the left camera_info must be > 0, got -3.0 and'),
    ('right', 'p', 3, 0, 'bad_baseline',
     r'P\[3\] of the right camera_info must be < 0, P\[3\] of the left one \(by fx \* baseline\), '
     r'got 0: calibrate the cameras as a stereo pair'),
    ('right', 'p', 3, 45, 'bad_baseline', r'got 45: swap the left and right topics'),
    ('left', 'p', 3, -45, 'bad_baseline', r'must be < -45, .*, got -45: calibrate the cameras'),
    ('left', 'p', 3, -90, 'bad_baseline', r'must be < -90, .*, got -45: swap the left and right'),
    ('right', 'p', 7, 50, 'bad_baseline',
     r'P\[7\] of the right camera_info must be that of the left one, cameras side by side, got 50 '
     r'and 0: turn the cameras or their images; one above the other is not supported'),
    ('right', 'p', 6, 51, 'bad_camera_info',
     r'P of the left and right camera_info must be equal in fx, fy and cy, to 0.5 px at the '
     r'border, got fx 90 and 90, fy 91 and 91, cy 50 and 51: publish the projection matrices of'),
    ('right', 'p', 5, 92.5, 'bad_camera_info', r'got fx 90 and 90, fy 91 and 92.5, cy 50 and 50'),
    ('left', 'p', 0, 91, 'bad_camera_info', r'got fx 91 and 90, fy 91 and 91, cy 50 and 50'),
])
def test_a_wrong_calibration_is_refused_with_its_reason(side, field, index, value, reason, text):
    infos = {name: info_message(geometry(), name) for name in ('left', 'right')}
    getattr(infos[side], field)[index] = value
    with pytest.raises(MessageError, match=text) as caught:
        geometry_from_messages(**infos)
    assert caught.value.reason == reason


def test_the_baseline_lies_between_the_cameras_where_neither_is_the_origin():
    """As in KITTI's colour cameras, whose matrices refer to a grey one."""
    rig = geometry()
    infos = {side: info_message(rig, side) for side in ('left', 'right')}
    for message in infos.values():
        message.p[3] += 0.06 * rig.fx
        message.p[7] += 0.2
    assert geometry_from_messages(**infos).baseline == pytest.approx(rig.baseline)


def test_rows_that_agree_to_less_than_half_a_pixel_are_taken():
    rig = geometry()
    right = info_message(rig, 'right')
    right.p[6] += 0.4
    assert geometry_from_messages(info_message(rig, 'left'), right) == rig


def test_regions_of_interest_that_move_the_rows_apart_are_refused():
    rig = geometry()
    region = {'x_offset': 0, 'y_offset': 4, 'width': 160, 'height': 90, 'do_rectify': False}
    with pytest.raises(MessageError, match='fy 91 and 91, cy 50 and 46: publish'):
        geometry_from_messages(
            info_message(rig, 'left'), info_message(rig, 'right', roi=namespace(region)))


@pytest.mark.parametrize('model', LENSES)
def test_raw_images_become_a_rectified_frame(model):
    rig = rectified_rig()
    infos = {side: info(side, model, rig) for side in ('left', 'right')}
    raw = {side: np.full((200, 320, 3), 128, np.uint8) for side in infos}
    raw['left'][90:110, 150:170] = 255
    frame = frame_from_messages(
        image_message(raw['left']), image_message(raw['right']), *infos.values(),
        rectifier=Rectifier())
    assert frame.geometry == rig
    expected = Rectifier().rectify(
        raw['left'], calibration_from_message(infos['left'], 'left'))
    np.testing.assert_array_equal(frame.left, expected)
    assert (frame.left != raw['left']).any()


def test_camera_info_of_raw_cameras_beside_rectified_images_changes_nothing():
    """As image_proc publishes them."""
    source = shifted_frame(width=320, height=200)
    left = image_message(source.left)
    frame = frame_from_messages(
        left, image_message(source.right), info('left', 'plumb_bob'), info('right', 'plumb_bob'))
    assert np.shares_memory(frame.left, left.data)
    assert frame.geometry == rectified_rig()


@pytest.mark.parametrize('rectifier', [None, Rectifier()])
def test_rectified_images_pass_without_a_copy(rectifier):
    source = shifted_frame()
    left, right = image_message(source.left), image_message(source.right)
    frame = frame_from_messages(
        left, right, info_message(source.geometry, 'left'),
        info_message(source.geometry, 'right'), rectifier=rectifier)
    assert np.shares_memory(frame.left, left.data)
    assert np.shares_memory(frame.right, right.data)


def test_a_raw_left_image_beside_an_external_disparity_is_rectified():
    rig = rectified_rig()
    raw = np.random.default_rng(0).integers(0, 256, (200, 320, 3), np.uint8)
    message = namespace(disparity_fields(DisparityMap(torch.full(rig.shape, 20.0), 0, 64), rig))
    frame = frame_from_messages(
        image_message(raw), None, info('left', 'plumb_bob'), info('right', 'plumb_bob'), message,
        Rectifier())
    assert frame.right is None
    assert (frame.left != raw).any()


def test_four_messages_become_a_frame():
    source = shifted_frame()
    frame = frame_from_messages(
        image_message(source.left), image_message(source.right),
        info_message(source.geometry, 'left'), info_message(source.geometry, 'right'))
    assert (frame.stamp_ns, frame.frame_id) == (source.stamp_ns, 'left_optical')
    np.testing.assert_array_equal(frame.left, source.left)
    np.testing.assert_array_equal(frame.right, source.right)
    assert frame.geometry == source.geometry


def test_images_of_different_size_are_refused():
    source = shifted_frame()
    with pytest.raises(FrameError, match=r'right image must be \(96, 160, 3\) uint8 as') as caught:
        frame_from_messages(
            image_message(source.left), image_message(source.right[:, 1:]),
            info_message(source.geometry, 'left'), info_message(source.geometry, 'right'))
    assert caught.value.reason == 'size_mismatch'


def test_a_disparity_message_gives_the_same_depth_as_ours():
    rig = geometry(cx_right=70.0)  # the axes converge
    values = torch.linspace(8, 60, rig.width).repeat(rig.height, 1)
    values[3, 4] = math.nan
    ours = DisparityMap(values, 0, 63)
    message = namespace(disparity_fields(ours, rig))
    sent = np.frombuffer(message.image.data, np.float32).reshape(rig.shape)
    np.testing.assert_allclose(message.f * message.t / sent, rig.depth(ours.to_host()), rtol=1e-5)
    assert np.isnan(sent[3, 4])
    assert (message.min_disparity, message.max_disparity) == (-7.0, 56.0)
    assert (message.delta_d, message.image.encoding) == (1 / 16, '32FC1')
    window = message.valid_window
    assert (window.x_offset, window.width, window.height) == (0, rig.width, rig.height)


@pytest.mark.parametrize('changes', [
    {}, {'cx_right': 65.5}, {'cx_right': 90.25, 'fx': 707.0912, 'baseline': 0.5379},
])
@pytest.mark.parametrize('divisor', [1, 2])
def test_message_depth_and_cloud_agree_with_the_geometry(changes, divisor):
    rig = geometry(**changes)
    random = np.random.default_rng(4)
    disparity = random.uniform(rig.disparity_offset + 0.5, 120, rig.shape).astype(np.float32)
    disparity[random.uniform(size=rig.shape) < 0.2] = math.nan
    ours = DisparityMap(torch.from_numpy(disparity), -40, 128 - divisor, divisor / 16)
    known = np.isfinite(disparity)
    exact = rig.fx * rig.baseline / (
        disparity[known].astype(np.float64) - (rig.cx - rig.cx_right))

    message = namespace(disparity_fields(ours, rig))
    sent = np.frombuffer(message.image.data, np.float32).reshape(rig.shape)
    np.testing.assert_allclose(
        np.float32(message.f) * np.float32(message.t) / sent[known], exact, rtol=1e-4)
    assert np.isnan(sent[~known]).all()
    assert (sent[known] >= message.min_disparity).all()
    assert (sent[known] <= message.max_disparity).all()
    assert message.delta_d == divisor / 16

    depth = rig.depth(ours.to_host())
    np.testing.assert_allclose(depth[known], exact, rtol=1e-4)
    assert np.isnan(depth[~known]).all()

    frame = shifted_frame(geometry=rig)
    segmentation = Segmentation('cityscapes', np.zeros(rig.shape, np.uint8))
    cloud = point_cloud_fields(frame, depth, segmentation, 1, 1e9)
    points = cloud['data'].view(POINT_TYPE).reshape(rig.shape)
    rows, columns = np.nonzero(known)
    np.testing.assert_allclose(points['z'][known], exact, rtol=1e-4)
    for axis, place, center, focal in (
        ('x', columns, rig.cx, rig.fx), ('y', rows, rig.cy, rig.fy),
    ):
        np.testing.assert_allclose(
            points[axis][known], (place - center) * exact / focal, rtol=1e-4, atol=1e-7)


def test_an_external_disparity_comes_back_as_it_was_sent():
    source = shifted_frame()
    rig = geometry(cx_right=70.0)
    values = torch.full(rig.shape, 20.0)
    values[0, 0] = math.nan
    message = namespace(disparity_fields(DisparityMap(values, 8, 63, 1 / 8), rig))
    frame = frame_from_messages(
        image_message(source.left), None, info_message(rig, 'left'), info_message(rig, 'right'),
        message)
    assert frame.right is None
    torch.testing.assert_close(frame.external_disparity.values, values, equal_nan=True)
    assert frame.external_disparity.step == 1 / 8


def test_external_disparities_outside_their_range_are_unknown():
    rig = geometry()
    fields = disparity_fields(DisparityMap(torch.full(rig.shape, 20.0), 0, 64), rig)
    message = namespace({**fields, 'min_disparity': 21.0})
    assert disparity_from_message(message, rig).values.isnan().all()


@pytest.mark.parametrize(('changes', 'text'), [
    ({'min_disparity': 70.0},
     r'range of the external disparity must be min < max, got \[70.0, 64.0\]'),
    ({'image': {'encoding': '16UC1'}},
     r"encoding of the external disparity must be 32FC1, got '16UC1'"),
])
def test_a_wrong_external_disparity_is_refused(changes, text):
    rig = geometry()
    fields = disparity_fields(DisparityMap(torch.full(rig.shape, 20.0), 0, 64), rig)
    with pytest.raises(MessageError, match=text):
        disparity_from_message(namespace({**fields, **changes}), rig)


def test_points_lie_where_the_pinhole_puts_them():
    frame = shifted_frame()
    rig = frame.geometry
    depth = np.full(rig.shape, 5.0, np.float32)
    depth[10, 20], depth[12, 24] = math.nan, 80.0
    labels = np.arange(rig.width * rig.height).reshape(rig.shape).astype(np.uint8)
    foreign = np.linspace(0, 1, labels.size, dtype=np.float32).reshape(rig.shape)
    segmentation = Segmentation('cityscapes', labels, foreign_probability=foreign)
    fields = point_cloud_fields(frame, depth, segmentation, stride=2, max_range_m=60)
    points = fields['data'].view(POINT_TYPE).reshape(fields['height'], fields['width'])
    assert points.shape == (48, 80)
    for row, column in [(0, 0), (7, 30), (47, 79)]:
        point, y, x = points[row, column], 2 * row, 2 * column
        assert point['x'] == pytest.approx((x - rig.cx) * 5 / rig.fx)
        assert point['y'] == pytest.approx((y - rig.cy) * 5 / rig.fy)
        assert point['z'] == 5
        red, green, blue = frame.left[y, x].tolist()
        assert point['rgb'] == red * 65536 + green * 256 + blue
        assert point['label'] == labels[y, x]
        assert point['foreign_probability'] == foreign[y, x]
    assert np.isnan(points[5, 10]['z'])
    assert np.isnan(points[6, 12]['z'])
    assert fields['row_step'] == 80 * fields['point_step']
    assert {entry['name']: entry['offset'] for entry in fields['fields']}['label'] == 20
    assert not fields['is_dense']


def test_points_can_do_without_foreign_probability():
    frame = shifted_frame()
    segmentation = Segmentation('cityscapes', np.zeros(frame.geometry.shape, np.uint8))
    fields = point_cloud_fields(
        frame, np.ones(frame.geometry.shape, np.float32), segmentation, 4, 60)
    assert (fields['data'].view(POINT_TYPE)['foreign_probability'] == 0).all()


def test_image_fields_describe_the_bytes():
    pixels = np.arange(24, dtype=np.float32).reshape(4, 6)
    fields = image_fields(pixels[:, ::2], '32FC1')
    assert (fields['height'], fields['width'], fields['step']) == (4, 3, 12)
    np.testing.assert_array_equal(fields['data'].view(np.float32).reshape(4, 3), pixels[:, ::2])


def test_a_grid_is_told_row_by_row_from_its_rightmost_corner():
    cells = np.array([[0, 100, -1], [-1, 0, 0]], np.int8)  # (across, ahead)
    grid = GroundGrid(cells, resolution_m=0.5, x_m=2.0, y_m=-1.0, yaw_rad=math.pi / 2)
    fields = occupancy_grid_fields(grid)
    info = fields['info']
    assert (info['width'], info['height'], info['resolution']) == (3, 2, 0.5)
    # the definition of nav_msgs/OccupancyGrid: row-major, width along x, starting with (0, 0)
    assert fields['data'].tolist() == [0, 100, -1, -1, 0, 0]
    assert info['origin']['position'] == {'x': 2.0, 'y': -1.0, 'z': 0.0}
    turn = info['origin']['orientation']
    assert (turn['x'], turn['y']) == (0, 0)
    assert (turn['z'], turn['w']) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))


def test_a_stamp_is_counted_in_nanoseconds():
    assert stamp_ns(header(7_000_000_123)) == 7_000_000_123
