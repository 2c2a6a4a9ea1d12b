# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import resource
import struct

import pytest

from ldn_perception.data.bag_messages import (
    HEADER,
    TYPESTORE,
    RawBag,
    RawMessage,
    build_header,
    build_message,
    has_header,
    patch_stamp,
    read_stamp,
    serialize,
)
from ldn_perception.data.bag_writers import RawBagWriter
from ldn_perception.errors import BagError

POINT = 'geometry_msgs/msg/PointStamped'
STRING = 'std_msgs/msg/String'
STAMP_NS = 1_700_000_000_123_456_789


def _string(text):
    return serialize(TYPESTORE.types[STRING](data=text), STRING)


@pytest.fixture
def bag(tmp_path):
    with RawBagWriter(tmp_path / 'bag') as writer:
        for index in range(5):
            header = serialize(build_header(index, f'frame {index}'), HEADER)
            writer.write('/header', HEADER, 1000 + index * 10, header)
            writer.write('text', STRING, 1005 + index * 10, _string(f'text {index}'))
        writer.declare('/silent', STRING)
        writer.declare('/silent', STRING)
    return tmp_path / 'bag'


@pytest.mark.parametrize('little_endian', [True, False])
def test_stamp_is_replaced_and_nothing_else(little_endian):
    header = build_header(5_000_000_007, 'left')
    cdr = bytes(TYPESTORE.serialize_cdr(header, HEADER, little_endian=little_endian))
    assert read_stamp(cdr) == 5_000_000_007
    patched = patch_stamp(cdr, STAMP_NS)
    assert read_stamp(patched) == STAMP_NS
    message = TYPESTORE.deserialize_cdr(patched, HEADER)
    assert (message.stamp.sec, message.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert message.frame_id == 'left'
    assert patched[:4] + patched[12:] == cdr[:4] + cdr[12:]


def test_messages_come_as_recorded_in_order_of_reception(bag):
    messages = list(RawBag(bag).messages())
    assert [message.receive_ns for message in messages] == [*range(1000, 1050, 5)]
    topics = {message.topic: message.msgtype for message in messages}
    assert topics == {'/header': HEADER, '/text': STRING}
    assert messages[5].cdr == bytes(_string('text 2'))


def test_bag_knows_topics_counts_and_duration(bag):
    recorded = RawBag(bag)
    assert recorded.topics == {'/header': HEADER, '/text': STRING, '/silent': STRING}
    assert recorded.message_counts == {'/header': 5, '/text': 5, '/silent': 0}
    assert recorded.duration_ns == 45


def test_topics_can_be_chosen(bag):
    messages = list(RawBag(bag).messages(['/text']))
    assert {message.topic for message in messages} == {'/text'}
    assert len(messages) == 5
    assert list(RawBag(bag).messages([])) == []
    with pytest.raises(BagError, match=r'must be among /header, /silent, /text, got /other: ask'):
        RawBag(bag).messages(['/other'])


def test_message_with_header_can_be_restamped_and_others_refuse(bag):
    text = list(RawBag(bag).messages())[1]
    point = RawMessage('/point', POINT, 3, serialize(build_message(
        POINT, {'point': {'x': 1.0, 'y': 2.0, 'z': 3.0}}, build_header(5, 'left'),
    ), POINT))
    restamped = point.with_stamp(STAMP_NS)
    assert read_stamp(restamped.cdr) == STAMP_NS
    assert restamped[:3] == point[:3]
    assert TYPESTORE.deserialize_cdr(restamped.cdr, POINT).point.z == 3.0
    with pytest.raises(
        BagError, match='message type of /text must be one that begins with std_msgs/Header, '
        'got std_msgs/msg/String: play this topic without'
    ):
        text.with_stamp(STAMP_NS)


def test_only_types_that_begin_with_a_header_have_one():
    assert has_header('sensor_msgs/msg/Image')
    assert has_header('stereo_msgs/msg/DisparityImage')
    assert not has_header('tf2_msgs/msg/TFMessage')
    assert not has_header('rcl_interfaces/msg/Log')
    assert not has_header('std_msgs/msg/Empty')
    assert not has_header('nobody_msgs/msg/Knows')


@pytest.mark.parametrize('stamp_ns', [-1, 2**31 * 1_000_000_000])
def test_stamp_outside_ros_time_is_refused(stamp_ns):
    cdr = bytes(serialize(build_header(0, ''), HEADER))
    with pytest.raises(BagError, match=r'stamp must be 0 to 2147483647 whole seconds, got -?\d+'):
        patch_stamp(cdr, stamp_ns)


@pytest.mark.parametrize('cdr', [b'', b'\x00\x01\x00\x00' + bytes(7), b'\x00\x03' + bytes(20)])
def test_bytes_that_are_no_plain_cdr_are_refused(cdr):
    with pytest.raises(BagError, match=r'serialised message must be plain CDR with a header, got'):
        read_stamp(cdr)


def test_missing_bag_is_named(tmp_path):
    with pytest.raises(
        BagError, match=r'bag .*nowhere must be a finished ROS 2 bag \(a directory, .mcap or'
    ):
        RawBag(tmp_path / 'nowhere')


def test_truncated_bag_is_named(bag):
    path = bag / 'bag.mcap'
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BagError, match=r'must be a finished ROS 2 bag .* magic is invalid: check'):
        RawBag(bag)


def test_damage_inside_the_bag_is_named(bag):
    path = bag / 'bag.mcap'
    data = bytearray(path.read_bytes())
    where = data.index(b'text 2') - 40
    data[where:where + 30] = b'\xff' * 30
    path.write_bytes(data)
    with pytest.raises(BagError, match='must be a finished ROS 2 bag'):
        list(RawBag(bag).messages())


def test_storage_file_can_be_read_without_its_directory(bag):
    assert len(list(RawBag(bag / 'bag.mcap').messages())) == 10


def test_existing_path_is_not_overwritten(bag):
    before = (bag / 'bag.mcap').read_bytes()
    with pytest.raises(
        BagError, match=r'new bag .* must be a path that does not exist yet, .*: choose another'
    ):
        RawBagWriter(bag)
    assert (bag / 'bag.mcap').read_bytes() == before


def test_path_below_a_file_is_refused(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagError, match=r'new bag .* must be a path'):
        RawBagWriter(tmp_path / 'file' / 'bag')


def test_unknown_type_is_named(tmp_path):
    with RawBagWriter(tmp_path / 'bag') as writer, pytest.raises(
        BagError, match='message type must be one of the ROS 2 Jazzy base, got vision_msgs/msg/La'
    ):
        writer.write('/info', 'vision_msgs/msg/LabelInfo', 0, b'')


def test_disk_without_space_is_named(tmp_path):
    writer = RawBagWriter(tmp_path / 'bag')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(BagError, match=r'must be on a disk with space left, got .*: free'):
            writer.write('/text', STRING, 0, bytes(2**21))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.close()


def test_bag_survives_an_error_while_recording(tmp_path):
    def record():
        with RawBagWriter(tmp_path / 'bag') as writer:
            writer.write('/text', STRING, 7, _string('last words'))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record()
    messages = list(RawBag(tmp_path / 'bag').messages())
    assert [message.cdr for message in messages] == [bytes(_string('last words'))]


def test_closing_twice_is_harmless(tmp_path):
    writer = RawBagWriter(tmp_path / 'bag')
    writer.write('/text', STRING, 7, _string('a'))
    writer.close()
    writer.close()
    assert RawBag(tmp_path / 'bag').message_counts == {'/text': 1}


def test_stamp_bytes_lie_where_the_standard_puts_them():
    cdr = bytes(serialize(build_header(3_000_000_004, 'x'), HEADER))
    assert struct.unpack('<iI', cdr[4:12]) == (3, 4)
    assert cdr[1] == 1
