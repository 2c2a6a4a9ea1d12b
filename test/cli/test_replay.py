# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from evaluation import tiny_drives
from evaluation.tiny_drives import stamps, write_drive
from evaluation_fixtures import write_weights
import pytest

from ldn_perception.cli import replay
from ldn_perception.cli.main import main
from ldn_perception.cli.replay_configuration import parse_configurations
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_messages import RawBag
from ldn_perception.errors import ConfigError
from ldn_perception.taxonomy import UNIVERSAL


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp('drive') / 'drive', stamps(0, 2))


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['replay', *map(str, arguments), '--set', 'stereo.max_disparity=32', '--set',
              'inference.device=cpu', '--set', 'inference.precision=float32', '--set',
              'inference.engine=torch'])
    return ended.value.code


def test_configurations_are_replayed_side_by_side(drive, tmp_path, capsys):
    weights = write_weights(tmp_path / 'weights.safetensors', UNIVERSAL)
    names = ['ldn_small', 'ldn_small:stereo.matcher=bm']
    out = tmp_path / 'out'
    arguments = (
        drive, '--output', out, '--compare', ','.join(names),
        '--set', f'model.weights={weights}', '--no-images')
    assert run(*arguments) == 0
    text = capsys.readouterr().out
    for words in ('mIoU', 'disparity D1', 'network, p50', *names):
        assert words in text
    assert json.loads((out / 'comparison.json').read_text()) == {'configurations': names}
    found = [json.loads((out / name / 'scores.json').read_text()) for name in names]
    assert [scores['pairs']['processed'] for scores in found] == [2, 2]
    assert found[0]['segmentation'] == found[1]['segmentation']
    assert found[0]['disparity'] != found[1]['disparity']
    for name in names:
        assert (out / name / 'pictures' / 'best_1.jpg').stat().st_size > 1000
        assert '/left/image_rect' not in RawBag(out / name / 'bag').topics
        description = json.loads((out / name / 'replay.json').read_text())
        assert description['weights'] == str(weights)
        assert len(description['weights_sha256']) == 64
    page = (out / 'index.html').read_text()
    assert all(name in page for name in names)
    before = (out / names[0] / 'frames.jsonl').read_text()
    assert run(*arguments) == 0  # there is nothing left to do
    assert (out / names[0] / 'frames.jsonl').read_text() == before


def test_names_of_shipped_weights_bring_their_network_and_classes():
    shared = {'model.name': 'ldn_small', 'model.taxonomy': 'camvid', 'model.weights': 'mine'}
    found = parse_configurations(
        shared, 'ldn121_road,scale_invariant_small:stereo.matcher=bm,ldn121')
    assert [entry.name for entry in found] == [
        'ldn121_road', 'scale_invariant_small:stereo.matcher=bm', 'ldn121']
    assert [(entry.config.model.name, entry.config.model.taxonomy, entry.config.model.weights)
            for entry in found] == [
        ('ldn121_64_4', 'universal', 'shipped'),
        ('scale_invariant_small', 'synthetic_drive', 'shipped'),
        ('ldn121', 'camvid', 'mine')]
    with pytest.raises(ConfigError, match=r"^model\.name must be one of .* 'correspondence'"):
        parse_configurations(shared, 'correspondence')


def test_another_parameter_is_refused(drive, tmp_path, capsys):
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('node:\n  ros__parameters:\n    model: {name: ldn_small}\n')
    arguments = (drive, '--output', tmp_path / 'out', '--config', parameters, '--no-bag')
    assert run(*arguments) == 0
    assert (tmp_path / 'out' / 'ldn_small' / 'scores.json').is_file()
    assert not (tmp_path / 'out' / 'ldn_small' / 'bag').exists()
    assert run(*arguments, '--set', 'segmentation.ood_threshold=0.2') == 1
    assert capsys.readouterr().err.startswith(
        'ldn: settings segmentation.ood_threshold of the replay in')


@pytest.mark.parametrize(('arguments', 'message'), [
    (['nowhere'], 'bag nowhere must be an existing file or folder, got nothing there: check the'),
    (['bag', '--set', 'model.name'], "--set must be NAME=VALUE, got 'model.name': write for"),
    (['bag', '--compare', 'ldn_small:census'], "--compare must be NAME=VALUE, got 'census'"),
    (['bag', '--compare', 'ldn_small,ldn_small'],
     '--compare must be different configurations, got ldn_small twice: name each once'),
    (['bag', '--compare', 'ldn_tiny'], 'model.name must be one of'),
    (['bag', '--config', 'nowhere.yaml'], 'parameter file must be an existing YAML file'),
    (['bag', 'bag'], 'bags of a replay must be one or more, each once, got bag again'),
])
def test_errors_are_one_sentence(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, '--output', tmp_path / 'out') == 1
    assert capsys.readouterr().err.startswith(f'ldn: {message}')


def test_a_stopped_replay_says_so_and_goes_on(drive, tmp_path, capsys, monkeypatch):
    class Stopped:
        received = 'SIGTERM'

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    arguments = (drive, '--output', tmp_path / 'out', '--set', 'model.name=ldn_small')
    with monkeypatch.context() as patched:
        patched.setattr(replay, 'StopSignals', Stopped)
        assert run(*arguments) == 130
    assert 'stopped by SIGTERM; the same command goes on' in capsys.readouterr().out
    scores = tmp_path / 'out' / 'ldn_small' / 'scores.json'
    assert json.loads(scores.read_text())['pairs']['processed'] == 1
    assert run(*arguments) == 0
    assert json.loads(scores.read_text())['pairs']['processed'] == 2


def test_when_every_pair_is_dropped_it_fails_and_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiny_drives, 'HEIGHT', 32)
    drive = write_drive(tmp_path / 'drive', stamps(0, 2))
    assert run(drive, '--output', tmp_path / 'out', '--set', 'model.name=ldn_small') == 1
    row = next(line for line in capsys.readouterr().out.splitlines() if 'pairs dropped' in line)
    assert row.split()[1:5] == ['pairs', 'dropped:', 'image_too_small', '│']


def test_disparity_of_a_topic_is_refused():
    with pytest.raises(ConfigError, match=r'stereo.matcher of a replay must be a matcher of '
                       r'pairs, got external: choose sgbm'):
        parse_configurations({'stereo.matcher': 'external'}, None)


def test_a_configuration_has_a_name_that_can_be_a_folder():
    (only,) = parse_configurations({}, None)
    assert (only.name, only.config) == ('ldn121_64_4', PerceptionConfig())
    (odd,) = parse_configurations({}, 'ldn_small:model.weights=../a b.safetensors')
    assert odd.name == 'ldn_small:model.weights=.._a_b.safetensors'
    assert odd.config.model.weights == '../a b.safetensors'
