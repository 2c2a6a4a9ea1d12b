# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from evaluation.tiny_drives import pair, replay, settings, stamps, write_drive
import pytest

from ldn_perception.data.bag_messages import RawBag
from ldn_perception.data.bag_writers import RawBagWriter
from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.replay import Watcher, merge_replays
from ldn_perception.evaluation.replay_checkpoint import Checkpoint
from ldn_perception.metrics.pair_scorer import PairScores


def read(folder, name):
    return json.loads((folder / name).read_text())


def lines(folder):
    found = [json.loads(line) for line in (folder / 'frames.jsonl').read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != 'seconds'} for line in found]


@pytest.fixture(scope='module')
def halves(tmp_path_factory):
    """Two drives, replayed each for itself and both together."""
    root = tmp_path_factory.mktemp('halves')
    drives = [write_drive(root / 'a', stamps(0, 4)), write_drive(root / 'b', stamps(4, 9))]
    for drive in drives:
        assert replay(root / f'out_{drive.name}', drive)
    assert replay(root / 'whole', *drives)
    return root, drives


def test_merged_halves_are_the_whole_to_the_pixel(halves):
    root, drives = halves
    merged, whole = root / 'merged', root / 'whole'
    merge_replays(settings(*drives), [root / 'out_a', root / 'out_b'], merged)
    assert lines(merged) == lines(whole)
    scores, expected = read(merged, 'scores.json'), read(whole, 'scores.json')
    for name in (
            'segmentation', 'ood', 'disparity', 'pairs', 'pictures', 'mean_foreign_probability'):
        assert scores[name] == expected[name]
    for path in sorted((whole / 'pictures').iterdir()):
        assert (merged / 'pictures' / path.name).read_bytes() == path.read_bytes()
    messages = [
        [message[:] for message in RawBag(folder / 'bag').messages()]
        for folder in (merged, whole)]
    assert messages[0] == messages[1]
    description = read(merged, 'replay.json')
    assert description['complete'] is True
    assert description['bags'] == read(whole, 'replay.json')['bags']
    before = (merged / 'scores.json').stat().st_mtime_ns
    merge_replays(settings(*drives), [], merged)  # it is done
    assert (merged / 'scores.json').stat().st_mtime_ns == before


def test_counts_survive_the_disk_and_add_up(halves):
    root, _ = halves
    first, second, whole = (
        Checkpoint.load(root / name / 'checkpoint.npz').scores
        for name in ('out_a', 'out_b', 'whole'))
    again = PairScores.from_arrays(first.to_arrays())
    again += second
    for name, values in whole.to_arrays().items():
        assert (again.to_arrays()[name] == values).all()
    assert whole.confusion.counts.sum() == sum(
        part.confusion.counts.sum() for part in (first, second)) > 0
    assert whole.ood.known.sum() > 0


def test_an_unfinished_part_is_refused(halves, tmp_path):
    root, drives = halves
    with pytest.raises(ReplayError, match=r'part .*nothing must be a finished replay, got none or '
                       r'an unfinished one: replay its bag first'):
        merge_replays(settings(*drives), [root / 'out_a', root / 'nothing'], tmp_path / 'out')


def test_parts_in_another_order_are_refused(halves, tmp_path):
    root, drives = halves
    with pytest.raises(ReplayError, match=r'bags of the parts must be .*/a, .*/b, got .*/b, .*/a: '
                       r'give every part once, in the order of the bags'):
        merge_replays(settings(*drives), [root / 'out_b', root / 'out_a'], tmp_path / 'out')


def test_parts_of_other_settings_are_refused(halves, tmp_path):
    root, drives = halves
    other = settings(*drives, options={'model.name': 'ldn_small'})
    with pytest.raises(ReplayError, match=r'settings model.name of the replay in .*out_a must be '
                       r'ldn121_64_4 as when it began, got ldn_small'):
        merge_replays(other, [root / 'out_a', root / 'out_b'], tmp_path / 'out')


def test_dropped_pairs_keep_their_numbers(tmp_path):
    source = write_drive(tmp_path / 'source', stamps(1, 3))
    with RawBagWriter(tmp_path / 'b') as writer:
        for message in RawBag(source).messages():
            cdr = message.cdr
            if message.topic == '/left/image_rect' and message.receive_ns == stamps(1, 3)[0]:
                cdr = cdr.replace(b'rgb8', b'what')
            writer.write(message.topic, message.msgtype, message.receive_ns, cdr)
    drives = [write_drive(tmp_path / 'a', stamps(0, 1)), tmp_path / 'b']
    for drive in drives:
        assert replay(tmp_path / f'out_{drive.name}', drive)
    merge_replays(
        settings(*drives), [tmp_path / 'out_a', tmp_path / 'out_b'], tmp_path / 'merged')
    assert [line['index'] for line in lines(tmp_path / 'merged')] == [0, 2]
    dropped = json.loads((tmp_path / 'merged' / 'dropped.jsonl').read_text())
    assert (dropped['index'], dropped['stamp_ns']) == (1, pair(stamps(1, 2)[0]).stamp_ns)
    assert read(tmp_path / 'merged', 'scores.json')['pairs']['dropped'] == {'unknown_encoding': 1}


def test_some_of_the_parts_are_an_incomplete_whole_that_is_made_anew(halves, tmp_path):
    root, drives = halves
    merge_replays(settings(*drives), [root / 'out_b'], tmp_path / 'out', complete=False)
    description = read(tmp_path / 'out', 'replay.json')
    assert (description['complete'], len(description['bags'])) == (False, 2)
    assert read(tmp_path / 'out', 'scores.json')['pairs']['processed'] == 5
    merge_replays(settings(*drives), [root / 'out_a', root / 'out_b'], tmp_path / 'out')
    assert lines(tmp_path / 'out') == lines(root / 'whole')
    assert read(tmp_path / 'out', 'replay.json')['complete'] is True


def test_a_replay_that_has_begun_is_not_merged_into(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 2))
    stop = Watcher(wants_stop=lambda: True)
    assert not replay(tmp_path / 'out', drive, watcher=stop)
    with pytest.raises(ReplayError, match=r'output .*out must be a new folder, or one that was '
                       r'merged, got a replay that has begun on one machine: go on with it there'):
        merge_replays(settings(drive), [], tmp_path / 'out')
    assert replay(tmp_path / 'out', drive)
