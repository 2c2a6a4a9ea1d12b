# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path
import socket
import subprocess
import sys

import pytest
import torch
from torch import nn
from training.ddp_training import train_all

from ldn_perception.errors import TrainingError
from ldn_perception.models.vgg import PyramidNorm
from ldn_perception.training.training_files import read_logs
from ldn_perception.training.workers import Workers, synchronise_norms, take_own_gpu

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def together(tmp_path_factory):
    """Folder of a training by two processes over gloo, and what each found."""
    folder = tmp_path_factory.mktemp('together')
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         str(TESTS / 'training' / 'ddp_training.py'), str(folder)],
        env={**os.environ, 'PYTHONPATH': f'{TESTS}:{TESTS.parent}', 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return folder, [
        json.loads((folder / f'worker{number}.json').read_text()) for number in (0, 1)]


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """Folder of the same training by this process, whose batches are those of both."""
    folder = tmp_path_factory.mktemp('alone')
    return folder, train_all(folder, Workers())


@pytest.mark.slow
@pytest.mark.parametrize('name', ['plain', 'balanced'])
def test_two_processes_have_the_losses_of_one_with_the_whole_batch(together, alone, name):
    ours, expected = (read_logs(folder / name)[0] for folder in (together[0], alone[0]))
    assert len(ours) == len(expected) == 12
    for one, other in zip(ours, expected, strict=True):
        assert one[:3] == other[:3]
        assert one[3:6] == pytest.approx(other[3:6], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['plain', 'balanced'])
def test_two_processes_end_with_the_weights_of_one(together, alone, name):
    for found in together[1]:
        for key, value in alone[1][name].items():
            assert found[name][key] == pytest.approx(value, abs=1e-4), key


@pytest.mark.slow
def test_balancing_makes_a_difference(alone):
    losses = [read_logs(alone[0] / name)[0][0].main_loss for name in ('plain', 'balanced')]
    assert abs(losses[0] - losses[1]) > 1e-3


@pytest.mark.slow
def test_all_processes_end_with_the_same_statistics(together):
    first, second = (found['norm'] for found in together[1])
    means = [value for key, value in first.items() if key.endswith('running_mean')]
    assert means
    assert max(map(abs, means[0])) > 0.01
    assert first == second


@pytest.mark.slow
def test_one_process_that_wants_to_stop_stops_all_in_the_same_step(together):
    assert [found['stopped']['step'] for found in together[1]] == [5, 5]
    assert len(read_logs(together[0] / 'stopped')[0]) == 5


@pytest.mark.slow
def test_processes_score_the_validation_images_together(together, alone):
    ours, expected = (read_logs(folder / 'plain')[1] for folder in (together[0], alone[0]))
    assert len(ours) == 2
    for one, other in zip(ours, expected, strict=True):
        assert one[:3] == other[:3]
        assert one[3:] == pytest.approx(other[3:], abs=2e-3)


@pytest.mark.slow
def test_first_process_alone_writes_the_files(together):
    assert sorted(os.listdir(together[0] / 'plain')) == [
        'snapshot.pt', 'steps.jsonl', 'validation.jsonl']


def test_process_outside_of_torchrun_is_alone(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    workers = Workers.join(torch.device('cpu'))
    assert workers == Workers(0, 1)
    model, value = nn.Linear(1, 1), torch.ones(2, requires_grad=True)
    assert workers.wrap(model, torch.device('cpu')) is model
    assert not workers.sum(value).requires_grad
    torch.testing.assert_close(workers.mean(value).detach(), torch.ones(2))
    workers.leave()


def test_group_of_one_process_averages_over_itself(monkeypatch):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    for name, value in {'WORLD_SIZE': 1, 'RANK': 0, 'MASTER_ADDR': '127.0.0.1',
                        'MASTER_PORT': port}.items():
        monkeypatch.setenv(name, str(value))
    workers = Workers.join(torch.device('cpu'))
    try:
        assert workers == Workers(0, 1)
        model = nn.Linear(2, 1)
        assert workers.wrap(model, torch.device('cpu')).module is model
        values = torch.tensor([1.0, 2.0], requires_grad=True)
        total = workers.sum(values)
        torch.testing.assert_close(total, values.detach())
        assert not total.requires_grad
        assert total.data_ptr() != values.data_ptr()
    finally:
        workers.leave()
    assert not torch.distributed.is_initialized()


def test_norms_are_synchronised_but_for_those_over_a_pyramid():
    model = nn.Sequential(
        nn.BatchNorm2d(3), nn.Sequential(PyramidNorm(3), nn.BatchNorm2d(5, momentum=0.3)))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    synchronise_norms(model)
    assert [type(module) for module in (model[0], *model[1])] == [
        nn.SyncBatchNorm, PyramidNorm, nn.SyncBatchNorm]
    assert model[1][1].momentum == 0.3
    torch.testing.assert_close(dict(model.state_dict()), state)


def test_more_processes_than_gpus_are_refused():
    count = torch.cuda.device_count()
    with pytest.raises(TrainingError, match=(
            f'processes on this machine must be at most {count}, its GPUs, got process {count}: '
            'lower --nproc-per-node')):
        take_own_gpu(count)
