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
import pytest
from stereo_frames import texture
import torch

from ldn_perception.build_stereo import build_embedding
from ldn_perception.cli.main import main
from ldn_perception.errors import ModelError
from ldn_perception.models.weights import read_weights_header, save_weights

ROOT = Path(__file__).parents[2]
RECIPE = """
task: correspondence
domains:
- {dataset: warped_photographs, root: photographs}
validation:
- {dataset: warped_photographs, root: photographs}
num_maps: 6
num_layers: 3
crop_height_px: 8
crop_width_px: 48
batch_pairs: 1
crops_per_pair: 2
precision: float32
steps: 8
snapshot_steps: 3
validation_steps: 4
validation_batches: 1
"""
NUM_STEPS = 8


@pytest.fixture(scope='module', autouse=True)
def _one_thread():
    """As many threads as the processes have: with others, sums are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Folder with photographs and a recipe."""
    folder = tmp_path_factory.mktemp('training')
    (folder / 'photographs').mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / 'photographs' / f'{number}.png'), texture(96, 64, number))
    (folder / 'recipe.yaml').write_text(RECIPE)
    return folder


def _arguments(place, output, *more):
    return [
        'train', '--recipe', str(place / 'recipe.yaml'), '--output', str(place / output),
        '--data', str(place), '--device', 'cpu', *more]


def _run(place, output, *more):
    with pytest.raises(SystemExit) as ended:
        main(_arguments(place, output, *more))
    return ended.value.code


def _losses(place, output):
    path = place / output / 'steps.jsonl'
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line)['loss'] for line in lines]


@pytest.fixture(scope='module')
def uninterrupted(place):
    assert _run(place, 'whole') == 0
    return _losses(place, 'whole')


def test_training_writes_weights_that_can_be_built(place, uninterrupted):
    assert len(uninterrupted) == NUM_STEPS
    assert sorted(os.listdir(place / 'whole')) == [
        'snapshot.pt', 'steps.jsonl', 'validation.jsonl', 'weights.safetensors']
    path = place / 'whole' / 'weights.safetensors'
    header = read_weights_header(path)
    assert header.model_name == 'patch_embedding'
    assert header.summary['steps'] == NUM_STEPS
    network = build_embedding(path)
    assert (network.num_maps, network.radius) == (6, 3)
    trained = torch.load(place / 'whole' / 'snapshot.pt')['model']
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=1e-3, atol=1e-6)
    scores = (place / 'whole' / 'validation.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in scores] == [3, 7]


def test_training_begins_with_given_weights(place, uninterrupted):
    weights = place / 'whole' / 'weights.safetensors'
    assert _run(place, 'more', '--set', f'initial_weights={weights}', '--set', 'steps=1') == 0
    assert _losses(place, 'more')[0] != uninterrupted[0]
    assert read_weights_header(place / 'more' / 'weights.safetensors').summary['recipe'][
        'initial_weights'] == str(weights)


def test_training_stops_when_its_time_is_over_and_goes_on(place, uninterrupted, capsys):
    for done in (1, 2):
        assert _run(place, 'slow', '--minutes', '0') == 0
        assert f'stopped after step {done} of {NUM_STEPS}; the same command goes on' in (
            capsys.readouterr().out)
    assert _losses(place, 'slow') == uninterrupted[:2]
    assert not (place / 'slow' / 'weights.safetensors').exists()


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_ended_training_goes_on_with_the_same_losses(place, uninterrupted, number):
    output = f'ended_{number.name}'
    process = subprocess.Popen(
        [sys.executable, '-m', 'ldn_perception.cli.main', *_arguments(place, output)],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'COLUMNS': '120'},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(6000):
        if len(_losses(place, output)) >= 2 or process.poll() is not None:
            break
        time.sleep(0.01)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=100)
    if number == signal.SIGTERM:
        assert process.returncode == 0, printed
        assert 'SIGTERM received, snapshot written' in printed
    else:
        assert process.returncode == -signal.SIGKILL
    assert 2 <= len(_losses(place, output)) <= NUM_STEPS
    assert _run(place, output) == 0
    assert _losses(place, output) == pytest.approx(uninterrupted, abs=1e-3)


@pytest.mark.parametrize(('more', 'message'), [
    (('--set', 'steps=0'), 'steps must be in'),
    (('--set', 'domains=[{dataset: walls, root: x}]'),
     "stereo dataset must be one of kitti_stereo, kitti_stereo_folder, middlebury, "
     "synthetic_pairs, agreed_pairs, warped_photographs, got 'walls': ask for one of these"),
    (('--set', 'initial_weights=/nowhere'), 'weights file /nowhere must be an existing file'),
    (('--output', '/dev/null/here'), 'output /dev/null/here must be a folder that can be written, '
     'got Not a directory: choose another --output'),
])
def test_mistakes_are_one_sentence(place, capsys, more, message):
    assert _run(place, 'mistaken', *more) == 1
    assert message in capsys.readouterr().err


def test_another_recipe_in_the_same_folder_is_refused(place, uninterrupted, capsys):
    assert _run(place, 'whole', '--set', 'margin=0.1') == 1
    assert 'got another margin: choose another output folder' in capsys.readouterr().err


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / 'weights.safetensors'
    save_weights(path, torch.nn.Conv2d(1, 1, 1), 'ldn_small', ('road',))
    with pytest.raises(ModelError, match='must be for model patch_embedding, got one for model '
                                         'ldn_small'):
        build_embedding(path)
