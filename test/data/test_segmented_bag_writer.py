# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from rosbags.rosbag2 import Reader
import yaml

from ldn_perception.data.bag_messages import HEADER, RawBag, build_header, serialize
from ldn_perception.data.bag_writers import SegmentedBagWriter, segment_files
from ldn_perception.errors import BagError


def put(writer, *stamps_ns, topic='/header'):
    for stamp_ns in stamps_ns:
        writer.write(topic, HEADER, stamp_ns, serialize(build_header(stamp_ns, 'left'), HEADER))


def stamps(path):
    return [message.receive_ns for message in RawBag(path).messages()]


def test_segments_are_one_bag(tmp_path):
    writer = SegmentedBagWriter(tmp_path / 'bag')
    writer.finish_segment()  # of nothing is nothing
    assert not (tmp_path / 'bag').exists() or not segment_files(tmp_path / 'bag')
    put(writer, 10, 20)
    writer.finish_segment()
    put(writer, 30)
    put(writer, 40, topic='/other')
    writer.finish_segment()
    assert writer.num_segments == 2
    assert stamps(tmp_path / 'bag') == [10, 20, 30, 40]
    assert RawBag(tmp_path / 'bag').message_counts == {'/header': 3, '/other': 1}
    assert RawBag(tmp_path / 'bag').duration_ns == 30
    with Reader(tmp_path / 'bag') as reader:
        assert (reader.start_time, reader.message_count) == (10, 4)
    assert stamps(tmp_path / 'bag' / 'bag_000001.mcap') == [30, 40]


def test_metadata_are_what_the_library_writes_for_a_bag_of_one_file(tmp_path):
    writer = SegmentedBagWriter(tmp_path / 'bag')
    put(writer, 10, 25)
    writer._writer.close()
    written = yaml.safe_load(
        (tmp_path / 'bag' / 'unfinished' / 'bag_000000' / 'metadata.yaml').read_text())
    writer.finish_segment()
    assert yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text()) == written


def test_a_segment_is_not_part_of_the_bag_before_it_is_finished(tmp_path):
    writer = SegmentedBagWriter(tmp_path / 'bag')
    put(writer, 10)
    writer.finish_segment()
    put(writer, 20)
    assert stamps(tmp_path / 'bag') == [10]
    again = SegmentedBagWriter(tmp_path / 'bag', 1)  # after a kill
    put(again, 21)
    again.finish_segment()
    assert stamps(tmp_path / 'bag') == [10, 21]
    assert sorted(path.name for path in (tmp_path / 'bag').iterdir()) == [
        'bag_000000.mcap', 'bag_000001.mcap', 'metadata.yaml']


def test_surplus_segments_go(tmp_path):
    writer = SegmentedBagWriter(tmp_path / 'bag')
    for stamp in (10, 20, 30):
        put(writer, stamp)
        writer.finish_segment()
    SegmentedBagWriter(tmp_path / 'bag', 1)
    assert stamps(tmp_path / 'bag') == [10]
    SegmentedBagWriter(tmp_path / 'bag')
    assert list((tmp_path / 'bag').iterdir()) == []


def test_missing_segments_are_noticed(tmp_path):
    with pytest.raises(BagError, match=r'segments of .*bag must be 2 or more, got 0: give the '
                       r'files back, or begin in a new folder'):
        SegmentedBagWriter(tmp_path / 'bag', 2)


def test_segments_of_other_bags_can_be_taken_over(tmp_path):
    for name, stamp in (('a', 10), ('b', 20)):
        (tmp_path / name).mkdir()
        writer = SegmentedBagWriter(tmp_path / name / 'bag')
        put(writer, stamp)
        writer.finish_segment()
    merged = SegmentedBagWriter(tmp_path / 'bag')
    for name in 'ab':
        merged.take_over(segment_files(tmp_path / name / 'bag'))
    assert stamps(tmp_path / 'bag') == [10, 20]
    assert stamps(tmp_path / 'a' / 'bag') == [10]
