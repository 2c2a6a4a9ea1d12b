# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from raw_rig import info as raw_info
from raw_rig import rectified_rig
from rosbags.rosbag2 import StoragePlugin, Writer
from stereo_frames import texture
import torch

from ldn_perception.data import bag_reader
from ldn_perception.data.bag_messages import (
    TYPESTORE,
    RawBag,
    build_header,
    build_message,
    deserialize,
    serialize,
)
from ldn_perception.data.bag_reader import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    RAW_TOPICS,
    StereoBagReader,
    StereoTopics,
)
from ldn_perception.data.bag_writers import RawBagWriter, StereoBagWriter
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.data.message_fields import camera_info_fields
from ldn_perception.data.messages import calibration_from_message
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import BagError
from ldn_perception.stereo.rectification import Rectifier
from ldn_perception.types import CameraGeometry, DisparityMap, StereoFrame

PERIOD_NS = 100_000_000
START_NS = 1_700_000_000 * 1_000_000_000
STAMPS_NS = [START_NS + index * PERIOD_NS for index in range(5)]


def _write(path, samples, topics=None):
    with StereoBagWriter(path, topics) as writer:
        for sample in samples:
            writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)
    return path


def _assert_same(got, expected):
    assert got.frame.stamp_ns == expected.frame.stamp_ns
    assert got.frame.frame_id == expected.frame.frame_id
    assert got.frame.geometry == expected.frame.geometry
    np.testing.assert_array_equal(got.frame.left, expected.frame.left)
    np.testing.assert_array_equal(got.frame.right, expected.frame.right)
    for name in ('labels', 'foreign', 'disparity'):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


def _rewrite(source, target, change):
    """Copy a bag message by message; change maps a message to the messages to write."""
    with RawBagWriter(target) as writer:
        for message in RawBag(source).messages():
            for changed in change(message):
                writer.write(*changed)
    return target


@pytest.mark.parametrize('grey', [False, True])
def test_drive_comes_back_as_it_was_written(tmp_path, make_sample, grey):
    samples = [make_sample(stamp, grey=grey) for stamp in STAMPS_NS]
    reader = StereoBagReader(_write(tmp_path / 'bag', samples))
    assert len(reader) == 5
    assert reader.duration_s == pytest.approx(0.4)
    assert reader.rate_hz == pytest.approx(10)
    assert reader.unpaired_images == 0
    for _ in range(2):
        for got, expected in zip(reader, samples, strict=True):
            _assert_same(got, expected)
    assert next(iter(reader)).frame.left.flags.writeable


def test_verging_rig_comes_back_with_its_disparity(tmp_path, make_sample):
    geometry = CameraGeometry(12, 8, 50.0, 51.0, 6.5, 4.25, 37.5, 0.12)
    sample = make_sample(STAMPS_NS[0], geometry=geometry)
    got = next(iter(StereoBagReader(_write(tmp_path / 'bag', [sample]))))
    assert got.frame.geometry.cx_right == 37.5
    np.testing.assert_allclose(got.disparity, sample.disparity, atol=1e-5)


def test_pairs_without_ground_truth_have_none(tmp_path, make_sample):
    full = make_sample(STAMPS_NS[1])
    samples = [StereoSample(make_sample(STAMPS_NS[0]).frame), full,
               StereoSample(make_sample(STAMPS_NS[2]).frame, labels=full.labels)]
    for got, expected in zip(
        StereoBagReader(_write(tmp_path / 'bag', samples)), samples, strict=True
    ):
        for name in ('labels', 'foreign', 'disparity'):
            assert (getattr(got, name) is None) == (getattr(expected, name) is None)


def test_disparity_without_a_known_pixel_survives(tmp_path, make_sample):
    sample = make_sample(STAMPS_NS[0])
    unknown = np.full_like(sample.disparity, np.nan)
    path = _write(tmp_path / 'bag', [StereoSample(sample.frame, disparity=unknown)])
    assert np.isnan(next(iter(StereoBagReader(path))).disparity).all()


def test_grey_drive_is_stored_as_mono_until_a_coloured_frame(tmp_path, make_sample):
    samples = [make_sample(stamp, grey=index != 1) for index, stamp in enumerate(STAMPS_NS[:3])]
    path = _write(tmp_path / 'bag', samples)
    encodings = [
        deserialize(message.cdr, IMAGE).encoding
        for message in RawBag(path).messages(['/left/image_rect'])
    ]
    assert encodings == ['mono8', 'rgb8', 'rgb8']
    for got, expected in zip(StereoBagReader(path), samples, strict=True):
        _assert_same(got, expected)


def test_messages_are_what_rclpy_reads(tmp_path, make_sample):
    serialization = pytest.importorskip('rclpy.serialization')
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    stereo_msgs = pytest.importorskip('stereo_msgs.msg')
    sample = make_sample(STAMPS_NS[3])
    path = _write(tmp_path / 'bag', [sample])
    classes = {
        IMAGE: sensor_msgs.Image, CAMERA_INFO: sensor_msgs.CameraInfo,
        'stereo_msgs/msg/DisparityImage': stereo_msgs.DisparityImage,
    }
    read = {
        message.topic: serialization.deserialize_message(message.cdr, classes[message.msgtype])
        for message in RawBag(path).messages()
    }
    assert len(read) == 7
    for message in read.values():
        stamp = message.header.stamp
        assert stamp.sec * 1_000_000_000 + stamp.nanosec == STAMPS_NS[3]
        assert message.header.frame_id == 'left_optical'
    left = np.array(read['/left/image_rect'].data).reshape(8, 12, 3)
    np.testing.assert_array_equal(left, sample.frame.left)
    assert read['/right/camera_info'].p[3] == pytest.approx(-50 * 0.12)
    foreign = np.array(read['/ground_truth/foreign'].data).reshape(8, 12)
    np.testing.assert_array_equal(foreign, np.where(sample.foreign, 255, 0))
    values = np.frombuffer(read['/ground_truth/disparity'].image.data, '<f4').reshape(8, 12)
    np.testing.assert_array_equal(values, sample.disparity)


def _change_infos(message, change):
    """The message; a camera_info with some of its fields changed."""
    if message.msgtype != CAMERA_INFO:
        return [message]
    info = deserialize(message.cdr, CAMERA_INFO)
    change(info, message.topic.split('/')[1])
    return [message._replace(cdr=serialize(info, CAMERA_INFO))]


def test_raw_drive_is_rectified(tmp_path):
    """The pipeline's own way: the frames are those the node makes of the same messages."""
    rig = rectified_rig()
    raw = {side: texture(320, 200, seed) for seed, side in enumerate(('left', 'right'))}
    infos = {side: raw_info(side, 'plumb_bob', rig) for side in raw}

    def distort(info, side):
        for name in 'dkr':
            setattr(info, name, getattr(infos[side], name))

    sample = StereoSample(StereoFrame(STAMPS_NS[0], 'left', **raw, geometry=rig))
    path = _rewrite(
        _write(tmp_path / 'bag', [sample], RAW_TOPICS), tmp_path / 'raw',
        lambda message: _change_infos(message, distort))
    reader = StereoBagReader(path, rectify=True)
    assert reader.topics.left_image == '/left/image_raw'
    frame = next(iter(reader)).frame
    assert frame.geometry == rig
    for side, image in raw.items():
        np.testing.assert_array_equal(getattr(frame, side), Rectifier().rectify(
            image, calibration_from_message(infos[side], side)))
        assert (getattr(frame, side) != image).any()
    np.testing.assert_array_equal(next(iter(StereoBagReader(path))).frame.left, raw['left'])


def test_raw_drive_that_cannot_be_rectified_is_named(tmp_path, make_sample):
    path = _rewrite(
        _write(tmp_path / 'bag', [make_sample(STAMPS_NS[0])]), tmp_path / 'turned',
        lambda message: _change_infos(message, lambda info, _: info.r.fill(0)))
    assert next(iter(StereoBagReader(path))).frame.geometry.width == 12
    with pytest.raises(BagError, match='R of the left camera_info must be a rotation') as caught:
        next(iter(StereoBagReader(path, rectify=True)))
    assert caught.value.reason == 'bad_camera_info'


def test_namespaced_drive_is_found(tmp_path, make_sample):
    sample = make_sample(STAMPS_NS[0])
    path = _write(tmp_path / 'bag', [sample], StereoTopics().with_prefix('car'))
    reader = StereoBagReader(path)
    assert reader.topics.left_image == '/car/left/image_rect'
    _assert_same(next(iter(reader)), sample)
    assert reader.rate_hz == 0


def test_sqlite_bag_is_read(tmp_path, make_sample):
    samples = [make_sample(stamp) for stamp in STAMPS_NS]
    source = _write(tmp_path / 'bag', samples)
    target = tmp_path / 'sqlite'
    with Writer(target, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=TYPESTORE)
            for topic, kind in RawBag(source).topics.items()
        }
        for message in RawBag(source).messages():
            writer.write(connections[message.topic], message.receive_ns, message.cdr)
    for path in (target, target / 'sqlite.db3'):
        for got, expected in zip(StereoBagReader(path), samples, strict=True):
            _assert_same(got, expected)
    data = bytearray((target / 'sqlite.db3').read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    (target / 'sqlite.db3').write_bytes(data)
    with pytest.raises(BagError, match=r'must be a finished ROS 2 bag .* malformed: check'):
        StereoBagReader(target)


def test_compressed_images_are_read(tmp_path, make_sample):
    sample = make_sample(STAMPS_NS[0])

    def compress(message):
        if message.msgtype != IMAGE or 'ground_truth' in message.topic:
            return [message]
        image = sample.frame.left if 'left' in message.topic else sample.frame.right
        png = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].reshape(-1)
        header = build_header(STAMPS_NS[0], 'left_optical')
        fields = {'format': 'rgb8; png compressed bgr8', 'data': png}
        compressed = build_message(COMPRESSED_IMAGE, fields, header)
        cdr = serialize(compressed, COMPRESSED_IMAGE)
        return [(f'{message.topic}/compressed', COMPRESSED_IMAGE, message.receive_ns, cdr)]

    path = _rewrite(_write(tmp_path / 'bag', [sample]), tmp_path / 'compressed', compress)
    _assert_same(next(iter(StereoBagReader(path))), sample)


def test_pairs_come_in_stamp_order_whatever_the_order_of_reception(tmp_path, make_sample):
    samples = [make_sample(stamp) for stamp in STAMPS_NS]
    random = np.random.default_rng(1)

    def shuffle(message):
        return [message._replace(receive_ns=START_NS + int(random.integers(0, 10**9)))]

    path = _rewrite(_write(tmp_path / 'bag', samples), tmp_path / 'shuffled', shuffle)
    for got, expected in zip(StereoBagReader(path), samples, strict=True):
        _assert_same(got, expected)


def test_incomplete_and_repeated_pairs_are_left_out(tmp_path, make_sample):
    samples = [make_sample(stamp) for stamp in STAMPS_NS]
    lost = {(STAMPS_NS[1], '/right/image_rect'), (STAMPS_NS[3], '/left/camera_info')}

    def lose_and_repeat(message):
        if (message.receive_ns, message.topic) in lost:
            return []
        return [message, message._replace(receive_ns=message.receive_ns + 10**9)]

    path = _rewrite(_write(tmp_path / 'bag', samples), tmp_path / 'lossy', lose_and_repeat)
    reader = StereoBagReader(path)
    assert reader.unpaired_images == 2
    for got, expected in zip(reader, [samples[0], samples[2], samples[4]], strict=True):
        _assert_same(got, expected)


def test_jittered_stamps_pair_only_with_slop(tmp_path, make_sample):
    samples = [make_sample(stamp) for stamp in STAMPS_NS]
    path = _rewrite(
        _write(tmp_path / 'bag', samples), tmp_path / 'jittered',
        lambda message: [
            message.with_stamp(message.receive_ns + 3_000_000)
            if message.topic.startswith('/right') else message
        ],
    )
    with pytest.raises(
        BagError, match=r'stamps of .* must be equal within 0.0 s for each pair, got no match '
        r'among 5 /left/image_rect, 5 /right/image_rect, .*: allow a larger slop'
    ):
        StereoBagReader(path)
    for got, expected in zip(StereoBagReader(path, slop_s=0.005), samples, strict=True):
        _assert_same(got, expected)


def test_memory_for_waiting_pairs_is_bounded(tmp_path, make_sample, monkeypatch):
    samples = [StereoSample(make_sample(stamp).frame) for stamp in STAMPS_NS]
    path = _rewrite(
        _write(tmp_path / 'bag', samples), tmp_path / 'apart',
        lambda message: [
            message._replace(receive_ns=message.receive_ns + 10**10)
            if message.topic.startswith('/right') else message
        ],
    )
    assert len(list(StereoBagReader(path))) == 5
    monkeypatch.setattr(bag_reader, 'MAX_WAITING_PAIRS', 4)
    with pytest.raises(
        BagError, match=rf'messages of a pair in .* must be within 4 pairs of each other, got a '
        rf'pair at {STAMPS_NS[0]} ns still incomplete: sort the bag'
    ):
        list(StereoBagReader(path))


def test_named_topic_that_is_missing_is_an_error(tmp_path, make_sample):
    path = _write(tmp_path / 'bag', [make_sample(STAMPS_NS[0])])
    with pytest.raises(BagError, match='topic /other of the bag must be sensor_msgs/msg/Image or'):
        StereoBagReader(path, StereoTopics(left_image='other'))


def test_message_that_makes_no_frame_is_named_with_its_stamp(tmp_path, make_sample):
    sample = make_sample(STAMPS_NS[0])
    path = _write(tmp_path / 'bag', [sample])

    def swap_cameras(message):
        if message.topic != '/right/camera_info':
            return [message]
        fields = camera_info_fields(sample.frame.geometry, 'right')
        fields['p'][3] *= -1
        info = build_message(CAMERA_INFO, fields, build_header(STAMPS_NS[0], 'left_optical'))
        return [message._replace(cdr=serialize(info, CAMERA_INFO))]

    with pytest.raises(
        BagError, match=rf'pair at {STAMPS_NS[0]} ns in .* must be a valid stereo pair, got '
        r'P\[3\] of the right camera_info must be'
    ) as caught:
        list(StereoBagReader(_rewrite(path, tmp_path / 'swapped', swap_cameras)))
    assert caught.value.reason == 'bad_baseline'


def test_message_with_too_few_bytes_is_named(tmp_path, make_sample):
    path = _write(tmp_path / 'bag', [make_sample(STAMPS_NS[0])])
    cut = _rewrite(path, tmp_path / 'cut', lambda message: [
        message._replace(cdr=message.cdr[:60]) if message.msgtype == IMAGE else message
    ])
    with pytest.raises(BagError, match=r'bag .*cut must be a finished ROS 2 bag'):
        list(StereoBagReader(cut))


def test_writer_refuses_what_is_no_stereo_pair(tmp_path, make_sample):
    sample = make_sample(STAMPS_NS[0])
    frame = sample.frame
    disparity = DisparityMap(torch.from_numpy(sample.disparity), 0, 100)
    single = StereoFrame(1, 'left', frame.left, None, frame.geometry, disparity)
    with StereoBagWriter(tmp_path / 'bag') as writer:
        with pytest.raises(BagError, match='right image must be present in a stereo bag, got non'):
            writer.write(single)
        with pytest.raises(
            BagError, match=r'ground truth labels must be \(8, 12\) uint8, got \(8, 12\) int64'
        ):
            writer.write(frame, labels=sample.labels.astype(np.int64))
        with pytest.raises(
            BagError, match=r'ground truth foreign must be \(8, 12\) bool, got \(4, 12\) bool: giv'
        ):
            writer.write(frame, foreign=sample.foreign[:4])


def test_existing_bag_is_not_overwritten(tmp_path, make_sample):
    path = _write(tmp_path / 'bag', [make_sample(STAMPS_NS[0])])
    with pytest.raises(BagError, match='must be a path that does not exist yet'):
        StereoBagWriter(path)
    assert len(StereoBagReader(path)) == 1


def test_metadata_names_the_format_ros2_bag_plays(tmp_path, make_sample):
    path = _write(tmp_path / 'bag', [make_sample(STAMPS_NS[0])])
    metadata = (path / 'metadata.yaml').read_text()
    assert 'version: 9' in metadata
    assert 'storage_identifier: mcap' in metadata
    assert (path / 'bag.mcap').read_bytes().startswith(b'\x89MCAP0\r\n')


def test_real_pairs_survive_a_bag(tmp_path, data_folder):
    samples = list(ImageFolder(data_folder / 'kitti_odometry_seq1'))[:3]
    path = _write(tmp_path / 'bag', samples)
    for got, expected in zip(StereoBagReader(path), samples, strict=True):
        _assert_same(got, expected)
