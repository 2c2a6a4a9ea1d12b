# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The same drive in every format, written by the rosbags library, reads the same."""

import bz2

from lz4 import frame as lz4
import numpy as np
import pytest
from rosbags import rosbag1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ldn_perception.data.bag_messages import TYPESTORE, RawBag
from ldn_perception.data.bag_reader import StereoBagReader
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.errors import BagError

STAMPS_NS = [1_700_000_000_000_000_000 + index * 100_000_000 for index in range(3)]
MSG = 'std_msgs/msg/'


@pytest.fixture
def samples(make_sample):
    return [make_sample(stamp) for stamp in STAMPS_NS]


@pytest.fixture
def messages(tmp_path, samples):
    with StereoBagWriter(tmp_path / 'source') as writer:
        for sample in samples:
            writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)
    return list(RawBag(tmp_path / 'source').messages())


def assert_same_drive(path, samples):
    for got, expected in zip(StereoBagReader(path), samples, strict=True):
        assert got.frame.stamp_ns == expected.frame.stamp_ns
        assert got.frame.frame_id == expected.frame.frame_id
        assert got.frame.geometry == expected.frame.geometry
        np.testing.assert_array_equal(got.frame.left, expected.frame.left)
        np.testing.assert_array_equal(got.frame.right, expected.frame.right)
        for name in ('labels', 'foreign', 'disparity'):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


def write_ros2(path, messages, storage, mode, version=9):
    writer = Writer(path, version=version, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for message in messages:
            key = message.topic, message.msgtype
            if key not in connections:
                connections[key] = writer.add_connection(*key, typestore=TYPESTORE)
            writer.write(connections[key], message.receive_ns, message.cdr)
    return path


@pytest.mark.parametrize(('storage', 'mode'), [
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.MCAP, CompressionMode.MESSAGE),
    (StoragePlugin.MCAP, CompressionMode.FILE),
    (StoragePlugin.MCAP, CompressionMode.STORAGE),
])
def test_ros2_bags(tmp_path, messages, samples, storage, mode):
    path = write_ros2(tmp_path / 'bag', messages, storage, mode)
    if mode is not CompressionMode.NONE:
        stored = b''.join(file.read_bytes() for file in path.iterdir())
        assert b'zstd' in stored
    assert_same_drive(path, samples)


@pytest.mark.parametrize('name', ['bag.mcap', 'bag.db3'])
def test_storage_files_without_their_directory(tmp_path, messages, samples, name):
    storage = StoragePlugin.MCAP if name.endswith('mcap') else StoragePlugin.SQLITE3
    write_ros2(tmp_path / 'bag', messages, storage, CompressionMode.NONE)
    assert_same_drive(tmp_path / 'bag' / name, samples)


def test_mcap_with_lz4_chunks(tmp_path, messages, samples):
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.storage.compression, writer.storage.compressor = 'lz4', lz4.compress
        connections = {}
        for message in messages:
            key = message.topic, message.msgtype
            if key not in connections:
                connections[key] = writer.add_connection(*key, typestore=TYPESTORE)
            writer.write(connections[key], message.receive_ns, message.cdr)
    assert b'lz4' in (path / 'bag.mcap').read_bytes()
    assert_same_drive(path, samples)


def write_ros1(path, messages, compression=None, extra=()):
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = rosbag1.Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        connections = {}
        for message in messages:
            topic, kind = message.topic, message.msgtype
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            # Header has a seq in ROS 1: read as ROS 2, write as ROS 1
            values = with_sequence(TYPESTORE.deserialize_cdr(message.cdr, kind), store)
            writer.write(
                connections[topic], message.receive_ns, store.serialize_ros1(values, kind))
        for topic, kind, value in extra:
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, STAMPS_NS[0], store.serialize_ros1(value, kind))
    return path


def with_sequence(message, store):
    """The same message as a class of ROS 1; fields keep their order, but for Header.seq."""
    kind = message.__msgtype__
    values = [
        with_sequence(value, store) if hasattr(value, '__msgtype__') else value
        for value in (getattr(message, name) for name, _ in TYPESTORE.fielddefs[kind][1])]
    if kind == MSG + 'Header':
        values = [7, *values]
    return store.types[kind](*values)


@pytest.mark.parametrize('compression', [None, 'BZ2', 'LZ4'])
def test_ros1_bags(tmp_path, messages, samples, compression):
    chosen = None if compression is None else rosbag1.Writer.CompressionFormat[compression]
    path = write_ros1(tmp_path / 'drive.bag', messages, chosen)
    if compression == 'BZ2':
        assert bz2.compress(b'')[:3] in path.read_bytes()
    assert_same_drive(path, samples)
    assert RawBag(path).duration_ns == STAMPS_NS[-1] - STAMPS_NS[0]


def test_topics_that_ros2_does_not_have_are_left_out(tmp_path, messages):
    store = get_typestore(Stores.ROS1_NOETIC)
    time = store.types['builtin_interfaces/msg/Time'](1, 2)
    path = write_ros1(tmp_path / 'drive.bag', messages, extra=[
        ('/when', MSG + 'Time', store.types[MSG + 'Time'](time)),
        ('/what', MSG + 'String', store.types[MSG + 'String']('text')),
    ])
    bag = RawBag(path)
    assert '/when' not in bag.topics
    assert bag.message_counts['/what'] == 1
    (found,) = bag.messages(['/what'])
    assert TYPESTORE.deserialize_cdr(found.cdr, found.msgtype).data == 'text'


def test_a_cut_ros1_bag_is_named(tmp_path, messages):
    path = write_ros1(tmp_path / 'drive.bag', messages)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(
        BagError, match=r'bag .*drive.bag must be a finished ROS 2 bag \(a directory, .mcap or '
        r'.db3\) or ROS 1 .bag, got .*: check the path'
    ):
        RawBag(path)


def test_pairs_can_be_read_from_a_number_on(tmp_path, messages, samples):
    path = write_ros2(tmp_path / 'bag', messages, StoragePlugin.MCAP, CompressionMode.NONE)
    found = list(StereoBagReader(path).numbered(1))
    assert [number for number, _ in found] == [1, 2]
    np.testing.assert_array_equal(found[0][1].frame.left, samples[1].frame.left)
    assert list(StereoBagReader(path).numbered(3)) == []


def test_a_pair_with_a_wrong_message_can_be_left_out(tmp_path, messages):
    changed = [
        message._replace(cdr=message.cdr.replace(b'rgb8', b'what'))
        if message.receive_ns == STAMPS_NS[1] else message for message in messages]
    path = write_ros2(tmp_path / 'bag', changed, StoragePlugin.MCAP, CompressionMode.NONE)
    refused = []
    found = StereoBagReader(path).numbered(
        refuse=lambda number, error: refused.append((number, error)))
    assert [number for number, _ in found] == [0, 2]
    ((number, error),) = refused
    assert (number, error.reason) == (1, 'unknown_encoding')
    with pytest.raises(BagError, match='image encoding must be one of'):
        list(StereoBagReader(path))
