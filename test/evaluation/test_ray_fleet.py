# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from contextlib import nullcontext
import json
from pathlib import Path
import sys
import time

from evaluation.tiny_drives import (
    Patient,
    TinyPart,
    fail_as_a_bag_does,
    fail_as_a_mistake_does,
    replay,
    settings,
    stamps,
    write_drive,
)
import pytest

from ldn_perception.cli import replay_fleet
from ldn_perception.cli.main import main
from ldn_perception.data.bag_messages import RawBag
from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.ray_fleet import FleetTask, RayFleet
from ldn_perception.evaluation.replay import merge_replays
from ldn_perception.evaluation.replay_checkpoint import Checkpoint

pytestmark = pytest.mark.ray

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def fleet():
    """A cluster of two machines with one CPU each, both of them this one."""
    pytest.importorskip('ray', reason='no ray: `pip install ray`')
    from ray.cluster_utils import Cluster

    machine = {'num_cpus': 1, 'num_gpus': 0, 'object_store_memory': 80 << 20}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv('PYTHONPATH', f'{TESTS.parent}:{TESTS}')  # of the workers
        cluster = Cluster(
            initialize_head=True, head_node_args={**machine, 'include_dashboard': False})
        try:
            cluster.add_node(**machine)
            with RayFleet(cluster.address) as workers:
                yield workers
        finally:
            cluster.shutdown()


@pytest.fixture(scope='module')
def drives(tmp_path_factory):
    root = tmp_path_factory.mktemp('drives')
    return [
        write_drive(root / name, stamps(first, last))
        for name, first, last in (('a', 0, 7), ('b', 7, 12), ('c', 12, 16))]


@pytest.fixture(scope='module')
def merged(fleet, drives, tmp_path_factory):
    """Three bags on two workers, one of which is killed in pair 4 of the second; the merge."""
    root = tmp_path_factory.mktemp('fleet')
    parts = [
        TinyPart(root / drive.name, drive, kills_at=5 if drive.name == 'b' else 0)
        for drive in drives]
    ends = list(fleet.run([FleetTask(part.bag.name, part) for part in parts]))
    merge_replays(settings(*drives), [part.folder for part in parts], root / 'merged')
    return root / 'merged', parts, ends


def scores_of(folder):
    scores = json.loads((folder / 'scores.json').read_text())
    del scores['latency']
    return scores


def lines_of(folder):
    found = [json.loads(line) for line in (folder / 'frames.jsonl').read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != 'seconds'} for line in found]


def test_numbers_of_a_fleet_are_those_of_one_process(merged, drives, tmp_path):
    folder, _, _ = merged
    assert replay(tmp_path / 'whole', *drives)
    assert lines_of(folder) == lines_of(tmp_path / 'whole')  # hashes of the labels among them
    assert scores_of(folder) == scores_of(tmp_path / 'whole')
    counts, expected = (
        Checkpoint.load(path / 'checkpoint.npz').scores.to_arrays()
        for path in (folder, tmp_path / 'whole'))
    assert expected['confusion'].sum() > 0
    for name, values in expected.items():
        assert (counts[name] == values).all()
    messages = [
        [message[:] for message in RawBag(path / 'bag').messages()]
        for path in (folder, tmp_path / 'whole')]
    assert messages[0] == messages[1]


def test_a_killed_worker_costs_only_the_retry_of_its_bag(merged):
    _, parts, ends = merged
    assert sorted((end.number, end.complete, end.error) for end in ends) == [
        (0, True, ''), (1, True, ''), (2, True, '')]
    assert all(end.host and end.seconds > 0 for end in ends)
    # The killed process noted four pairs; the next one went on after the checkpoint of three.
    assert [part.attempts for part in parts] == [[7], [4, 2], [4]]


def test_an_error_is_the_end_of_its_own_task_only(fleet, drives, tmp_path):
    part = TinyPart(tmp_path / 'out', drives[2])
    works = fail_as_a_bag_does, fail_as_a_mistake_does, part
    ends = fleet.run([FleetTask('', work) for work in works])
    found = {end.number: (end.complete, end.error) for end in ends}
    assert found == {
        0: (False, 'it must be a, got b: c'), 1: (False, 'IndexError: no such thing'),
        2: (True, '')}
    assert part.attempts == [4]


def test_a_stop_interrupts_what_runs_and_begins_nothing_more(fleet, tmp_path):
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    ends = list(fleet.run(
        [FleetTask('', Patient(folder)) for folder in folders],
        lambda: sum((folder / 'begun').exists() for folder in folders) == 2))
    assert sorted((end.number, end.complete, end.error) for end in ends) == [
        (0, False, ''), (1, False, ''), (2, False, '')]
    assert sum((folder / 'begun').exists() for folder in folders) == 2
    # Ray may tell of a cancelled task before its worker has seen the interrupt.
    limit = time.monotonic() + 30
    while not all(
            (folder / 'interrupted').exists() == (folder / 'begun').exists()
            for folder in folders):
        assert time.monotonic() < limit, 'a task that runs must be interrupted'
        time.sleep(0.1)


def test_a_task_that_no_machine_has_room_for_is_refused(fleet):
    with pytest.raises(
            ReplayError, match=r'a machine of the Ray cluster for this must be one with 2 CPUs '
            r'and 1 GPUs, got 1 and 0, 1 and 0: give a smaller --ray-cpus or another '):
        list(fleet.run([FleetTask('this', fail_as_a_bag_does, num_cpus=2, num_gpus=1)]))


def test_bags_that_cannot_be_read_do_not_hold_up_the_others(
    fleet, drives, tmp_path, capsys, monkeypatch,
):
    asked = []
    monkeypatch.setattr(
        replay_fleet, 'RayFleet', lambda address: asked.append(address) or nullcontext(fleet))
    (tmp_path / 'bad.mcap').write_bytes(b'no bag at all')

    def run(folder, *bags, ray='auto'):
        with pytest.raises(SystemExit) as ended:
            main([
                'replay', *map(str, bags), '--output', str(tmp_path / folder), '--set',
                'model.name=ldn_small', '--set', 'stereo.max_disparity=32', '--set',
                'inference.device=cpu', '--set', 'inference.precision=float32',
                '--set', 'inference.num_threads=1',  # other numbers of them round otherwise
                *(['--ray', ray] if ray else [])])
        return ended.value.code, capsys.readouterr()

    code, text = run('out', drives[2], tmp_path / 'bad.mcap', drives[1])
    assert code == 1
    assert f'{drives[1]}, ldn_small: 5 pairs, ' in text.out
    (error,) = text.err.splitlines()
    assert error.startswith(f'ldn: {tmp_path / "bad.mcap"}, ldn_small: bag {tmp_path}')
    partly = tmp_path / 'out' / 'ldn_small'
    assert json.loads((partly / 'replay.json').read_text())['complete'] is False
    assert scores_of(partly)['pairs']['processed'] == 9
    assert '9 pairs of 9 in 2 of 3 bags' in (tmp_path / 'out' / 'index.html').read_text()

    assert run('out', drives[2], drives[1])[0] == 0
    assert asked == ['auto']  # the second time nothing is left for a fleet
    assert run('whole', drives[2], drives[1], ray='')[0] == 0
    assert json.loads((partly / 'replay.json').read_text())['complete'] is True
    assert lines_of(partly) == lines_of(tmp_path / 'whole' / 'ldn_small')
    assert scores_of(partly) == scores_of(tmp_path / 'whole' / 'ldn_small')


def test_without_ray_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ReplayError, match=r'Python package ray must be installed, got import of '
                       r'ray halted.*: pip install "ldn_perception\[ray\]" here and on every '
                       r'machine of the cluster, or leave --ray out'):
        RayFleet('auto')


@pytest.mark.parametrize(('wrong', 'got'), [
    ('127.0.0.1:1', r'\[Errno \d+\] Connection refused'), ('nonsense', 'no such address'),
    ('localhost:70000', 'no such address'), ('ray://localhost:10001', 'no such address'),
])
def test_an_address_where_nobody_answers_is_refused(wrong, got):
    pytest.importorskip('ray', reason='no ray: `pip install ray`')
    with pytest.raises(ReplayError, match=rf'Ray address {wrong} must be auto, local, or '
                       rf'host:port of a running cluster, got {got}: start one with `ray start '
                       r'--head`, or give --ray local'), RayFleet(wrong):
        pass


def test_a_task_without_a_cpu_is_refused(drives, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['replay', str(drives[0]), '--output', str(tmp_path / 'out'), '--ray', 'local',
              '--ray-cpus', '0'])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        'ldn: --ray-cpus must be 1 or more, got 0: give the number of cores that a bag may take\n')
