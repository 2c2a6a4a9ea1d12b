# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from training.roads import write_roads, write_things

from ldn_perception import build
from ldn_perception.cli.main import main
from ldn_perception.cli.processes import StopSignals
from ldn_perception.config import PerceptionConfig
from ldn_perception.models.weights import read_weights_header
from ldn_perception.taxonomy import UNIVERSAL

ROOT = Path(__file__).parents[2]
RECIPE = """
model: ldn_small
taxonomy: universal
domains:
- {dataset: camvid, root: roads, paste_share: 0.5}
- {dataset: coco_folder, root: things, split: all, is_cutout_source: true}
epochs: 6
batch_size: 4
crop_height_px: 128
crop_width_px: 128
average_decay: 0.9
snapshot_steps: 4
norm_batches: 2
precision: float32
"""
NUM_STEPS = 14  # 6 epochs of 9 images


@pytest.fixture(scope='module', autouse=True)
def _one_thread():
    """As many threads as the processes have: with others, sums are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Folder with data and a recipe."""
    folder = tmp_path_factory.mktemp('training')
    write_roads(folder / 'data' / 'roads')
    write_roads(folder / 'data' / 'roads', 'val', 2)
    write_things(folder / 'data' / 'things')
    (folder / 'recipe.yaml').write_text(RECIPE)
    return folder


def _arguments(place, output, *more):
    return [
        'train', '--recipe', str(place / 'recipe.yaml'), '--output', str(place / output),
        '--data', str(place / 'data'), '--device', 'cpu', *more]


def _run(place, output, *more):
    with pytest.raises(SystemExit) as ended:
        main(_arguments(place, output, *more))
    return ended.value.code


def _start(place, output, *more, launcher=('-m', 'ldn_perception.cli.main')):
    return subprocess.Popen(
        [sys.executable, *launcher, *_arguments(place, output, *more)],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'COLUMNS': '120'},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True)


def _lines(place, output):
    path = place / output / 'steps.jsonl'
    return path.read_text().splitlines() if path.is_file() else []


def _wait_for_steps(process, place, output, count):
    for _ in range(6000):
        if len(_lines(place, output)) >= count or process.poll() is not None:
            return
        time.sleep(0.01)


def _losses(place, output):
    return {
        record['step']: record['loss'] for record in map(json.loads, _lines(place, output))}


@pytest.fixture(scope='module')
def uninterrupted(place):
    assert _run(place, 'whole') == 0
    return _losses(place, 'whole')


def test_training_writes_weights_that_the_node_can_load(place, uninterrupted):
    assert list(uninterrupted) == list(range(NUM_STEPS))
    path = place / 'whole' / 'weights.safetensors'
    header = read_weights_header(path)
    assert header.model_name == 'ldn_small'
    assert header.class_names == UNIVERSAL.class_names
    assert header.summary['steps'] == NUM_STEPS
    assert header.summary['recipe']['average_decay'] == 0.9
    perception = build.build_perception(PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'model.taxonomy': 'universal', 'model.weights': str(path),
        'inference.device': 'cpu'}))
    assert perception.is_trained


def test_training_leaves_its_course_as_a_picture(place, uninterrupted):
    assert sorted(os.listdir(place / 'whole')) == [
        'curves.png', 'snapshot.pt', 'steps.jsonl', 'validation.jsonl', 'weights.safetensors']
    assert np.ptp(cv2.imread(str(place / 'whole' / 'curves.png'))) > 200


def test_table_says_what_is_trained(place, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    assert _run(place, 'short', '--minutes', '0', '--set', 'average_decay=0.0') == 0
    printed = capsys.readouterr().out
    for said in ('ldn_small, 0.52 M parameters, 29 classes (universal)',
                 'camvid train: 4 images, 4 an epoch', 'coco_folder all: 5 images, 5 an epoch',
                 '4 of 128 x 128 px a step', '14 (6 epochs), 0 done', 'cpu, float32'):
        assert said in printed


def test_training_stops_when_its_time_is_over_and_goes_on(place, uninterrupted, capsys):
    for done in (1, 2):
        assert _run(place, 'slow', '--minutes', '0') == 0
        printed = capsys.readouterr().out
        assert f'stopped after step {done} of {NUM_STEPS}; the same command goes on' in printed
        assert f'{done - 1} done' in printed
    assert _losses(place, 'slow') == {step: uninterrupted[step] for step in (0, 1)}
    assert not (place / 'slow' / 'weights.safetensors').exists()
    assert (place / 'slow' / 'curves.png').is_file()


@pytest.mark.slow
def test_killed_training_goes_on_with_the_same_losses(place, uninterrupted):
    process = _start(place, 'killed')
    _wait_for_steps(process, place, 'killed', 6)
    process.kill()
    process.wait()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    done = len(_lines(place, 'killed'))
    assert 6 <= done < NUM_STEPS
    assert torch.load(place / 'killed' / 'snapshot.pt')['step'] in (4, 8, 12)
    assert _run(place, 'killed') == 0
    assert _losses(place, 'killed') == pytest.approx(uninterrupted, abs=1e-3)
    assert list(_losses(place, 'killed')) == list(range(NUM_STEPS))


@pytest.mark.slow
def test_signal_to_all_processes_stops_the_training_with_a_snapshot(place, uninterrupted):
    number, output = signal.SIGINT, 'stopped'  # SIGTERM stops test_train_stereo's process
    process = _start(place, output, '--set', 'loader_processes=1')
    _wait_for_steps(process, place, output, 2)
    os.killpg(process.pid, number)
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0, printed
    assert f'{number.name} received, snapshot written' in printed
    losses = _losses(place, output)
    assert torch.load(place / output / 'snapshot.pt')['step'] == len(losses) < NUM_STEPS
    assert losses == pytest.approx({s: uninterrupted[s] for s in losses}, abs=1e-3)


@pytest.mark.slow
def test_torchrun_starts_two_processes_that_write_one_set_of_files(place):
    process = _start(
        place, 'two', '--set', 'epochs=1', '--set', 'validation=[{dataset: camvid, root: roads, '
        'split: val}]',
        launcher=('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m',
                  'ldn_perception.cli.main'))
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    assert printed.count('0.52 M parameters') == 1
    assert 'cpu, float32, 2 processes' in printed
    assert list(_losses(place, 'two')) == [0, 1]
    assert len((place / 'two' / 'validation.jsonl').read_text().splitlines()) == 1
    assert sorted(os.listdir(place / 'two')) == [
        'curves.png', 'snapshot.pt', 'steps.jsonl', 'validation.jsonl', 'weights.safetensors']


@pytest.mark.parametrize(('more', 'message'), [
    (('--set', 'epochs'), "--set must be NAME=VALUE, got 'epochs': write for example seed=1"),
    (('--set', 'epochs=0'), 'epochs must be in'),
    (('--set', 'task=walls'), "task of the recipe must be one of segmentation, correspondence, "
     "got 'walls': correct it"),
    (('--output', '/dev/null/here'), 'output /dev/null/here must be a folder that can be written, '
     'got Not a directory: choose another --output'),
])
def test_mistakes_are_one_sentence(place, capsys, more, message):
    assert _run(place, 'mistaken', *more) == 1
    assert message in capsys.readouterr().err


def test_another_recipe_in_the_same_folder_is_refused(place, uninterrupted, capsys):
    assert _run(place, 'whole', '--set', 'learning_rate=0.1') == 1
    assert 'got another learning_rate: choose another output folder' in capsys.readouterr().err


def test_second_signal_does_what_it_always_does():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with StopSignals() as signals:
            assert signals.received == ''
            signal.raise_signal(signal.SIGINT)
            assert signals.received == 'SIGINT'
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
