# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from evaluation import tiny_drives
from evaluation.tiny_drives import replay, stamps, write_drive
import pytest

from ldn_perception.data.bag_messages import RawBag
from ldn_perception.errors import BagError, ReplayError

TESTS = Path(__file__).resolve().parents[1]


def read(folder, name):
    return json.loads((folder / name).read_text())


def hashes(folder):
    return [json.loads(line)['labels_sha256']
            for line in (folder / 'frames.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
    """Two bags of six pairs; the folder of a replay killed in pair 8, and one of all of them."""
    root = tmp_path_factory.mktemp('killed')
    drives = [write_drive(root / 'a', stamps(0, 6)), write_drive(root / 'b', stamps(6, 12))]
    assert replay(root / 'whole', *drives)
    environment = {**os.environ, 'PYTHONPATH': f'{TESTS.parent}:{TESTS}'}
    ended = subprocess.run(
        [sys.executable, tiny_drives.__file__, root / 'out', '9', *drives], env=environment,
        timeout=280)
    assert ended.returncode == -signal.SIGKILL
    return root, drives


def test_a_killed_replay_goes_on_to_the_same_end(killed):
    root, drives = killed
    out, whole = root / 'out', root / 'whole'
    assert hashes(out) == hashes(whole)[:8]  # nothing that was done is lost
    assert read(out, 'replay.json')['complete'] is False
    assert not (out / 'scores.json').exists()
    assert len(list(RawBag(out / 'bag').messages(['/disparity']))) == 6
    seen = []
    assert replay(out, *drives, engine={'seen': lambda image: seen.append(1)})
    assert len(seen) == 12 - 6  # after the last checkpoint
    assert hashes(out) == hashes(whole)
    scores, expected = read(out, 'scores.json'), read(whole, 'scores.json')
    for name in (
            'segmentation', 'ood', 'disparity', 'pairs', 'pictures', 'mean_foreign_probability'):
        assert scores[name] == expected[name]
    messages = [
        [(message.topic, message.receive_ns, message.cdr) for message in RawBag(path).messages()]
        for path in (out / 'bag', whole / 'bag')]
    assert messages[0] == messages[1]
    assert not (out / 'bag' / 'unfinished').exists()
    assert read(out, 'replay.json')['complete'] is True



@pytest.mark.parametrize(('changes', 'message'), [
    ({'options': {'stereo.max_disparity': 64}},
     r'settings stereo.max_disparity of the replay in .*out must be 128 as when it began, got 64: '
     r'give the same arguments to go on with it, or another --output'),
    ({'writes_bag': False}, r'writes bag of the replay in .* must be True as when it began'),
    ({'ground_truth': Path('elsewhere')}, r'ground truth of the replay in .* must be None as'),
])
def test_other_settings_are_refused(killed, changes, message):
    root, drives = killed
    with pytest.raises(ReplayError, match=message):
        replay(root / 'out', *drives, **changes)


def test_other_bags_are_refused(killed):
    root, drives = killed
    with pytest.raises(ReplayError, match=r'bags of the replay in .* must be .*a.*, got .*b'):
        replay(root / 'out', *drives[::-1])


def test_a_bag_that_has_changed_is_refused(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 1))
    assert replay(tmp_path / 'out', drive)
    (drive / 'more').write_text('more')
    with pytest.raises(ReplayError, match=r'bag bytes of the replay in .* must be \[\d+\] as'):
        replay(tmp_path / 'out', drive)


@pytest.fixture
def stopped(tmp_path):
    """A drive and the folder of a replay that an error has ended after its first checkpoint."""
    drive = write_drive(tmp_path / 'drive', stamps(0, 5))
    count = iter(range(5))

    def fail_at_last(_):
        if next(count) == 4:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        replay(tmp_path / 'out', drive, engine={'seen': fail_at_last})
    return drive, tmp_path / 'out'


def test_before_the_first_checkpoint_it_may_begin_anew_with_other_settings(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 3))
    count = iter(range(3))

    def fail_at_second(_):
        if next(count) == 1:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        replay(tmp_path / 'out', drive, engine={'seen': fail_at_second})
    assert len(hashes(tmp_path / 'out')) == 1
    assert replay(tmp_path / 'out', drive, writes_bag=False)
    assert len(hashes(tmp_path / 'out')) == 3
    assert not (tmp_path / 'out' / 'bag').exists()


def test_lost_lines_are_noticed(stopped):
    drive, out = stopped
    (out / 'frames.jsonl').write_text('')
    with pytest.raises(ReplayError, match=r'length of .*frames.jsonl must be \d+ bytes or more, '
                       r'got 0: give the file back, or begin in a new folder'):
        replay(out, drive)


def test_lost_results_are_noticed(stopped):
    drive, out = stopped
    (out / 'bag' / 'bag_000000.mcap').unlink()
    with pytest.raises(BagError, match=r'segments of .*bag must be 1 or more, got 0: give the '):
        replay(out, drive)


def test_a_damaged_state_is_noticed(stopped):
    drive, out = stopped
    stored = (out / 'checkpoint.npz').read_bytes()
    (out / 'checkpoint.npz').write_bytes(stored[:len(stored) // 2])
    with pytest.raises(ReplayError, match=r'state of a replay .*checkpoint.npz must be as it was '
                       r'written, got .*: begin in a new folder'):
        replay(out, drive)
