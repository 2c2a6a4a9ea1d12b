# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import shutil

from evaluation_fixtures import logits_of, photograph, write_rgb, write_weights
import numpy as np
import pytest
from safetensors.torch import load_file
import torch

from ldn_perception.cli.main import main
from ldn_perception.models.weights import read_weights_header
from ldn_perception.taxonomy import CAMVID, UNIVERSAL


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope='module')
def camvid(tmp_path_factory):
    """Three images, half of each labelled."""
    root = tmp_path_factory.mktemp('camvid')
    for number in range(3):
        labels = np.zeros((64, 96), np.uint8)
        labels[:, 48:] = 11
        write_rgb(root / 'val' / 'images' / f'{number}.png', photograph(number))
        write_rgb(root / 'val' / 'labels' / f'{number}.png', labels)
    return root


@pytest.fixture(scope='module')
def original(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights') / 'universal', UNIVERSAL)


@pytest.fixture
def weights(original, tmp_path):
    return shutil.copy(original, tmp_path / 'weights.safetensors')


def calibrate(weights, camvid, *more):
    return run('weights', 'calibrate-ood', weights, '--device', 'cpu', '--dataset', 'camvid',
               '--data', camvid, *more)


def labelled_probabilities(weights):
    return np.concatenate([
        logits_of(weights, UNIVERSAL, photograph(number)).softmax(0)[UNIVERSAL.num_driving:].sum(0)
        .numpy()[:, :48].ravel() for number in range(3)])


@pytest.mark.parametrize('rate', [0.05, 0.4])
def test_so_many_labelled_pixels_are_above_the_stored_threshold(
    rate, weights, camvid, capsys,
):
    tensors = load_file(weights)
    assert calibrate(weights, camvid, '--fpr', rate) == 0
    header, values = read_weights_header(weights), labelled_probabilities(weights)
    above = (values > header.ood_threshold).mean()
    assert rate - 0.002 < above <= rate + 1e-4  # the two runs may round differently
    found = header.summary['ood_calibration']
    assert found == {
        'dataset': 'camvid', 'split': 'val', 'images': 3, 'pixels': 3 * 64 * 48,
        'wanted_fpr': rate, 'fpr': pytest.approx(above, abs=1e-4), 'input_size': None}
    assert header.summary['note'] == 'untrained'
    assert header.class_names == UNIVERSAL.class_names
    kept = load_file(weights)
    assert all(torch.equal(value, kept[name]) for name, value in tensors.items())
    printed = capsys.readouterr().out
    assert '9,216 in-distribution pixels' in printed
    assert f'{100 * (values > 0.5).mean():.1f}' in printed  # before, at the default


def test_another_file_can_take_the_result(weights, camvid, tmp_path):
    before = weights.read_bytes()
    assert calibrate(
        weights, camvid, '--output', tmp_path / 'other', '--size', '64x64', '--limit', 1) == 0
    assert weights.read_bytes() == before
    found = read_weights_header(tmp_path / 'other').summary['ood_calibration']
    assert found['input_size'] == '64x64'
    assert found['images'] == 1


def test_a_network_without_foreign_classes_is_refused(camvid, tmp_path, capsys):
    weights = write_weights(tmp_path / 'weights', CAMVID)
    assert calibrate(weights, camvid) == 1
    assert ('must be of a network with foreign classes, got one of taxonomy camvid, which has '
            'none: train with foreign images') in capsys.readouterr().err


def test_photographs_without_a_road_calibrate_nothing(weights, tmp_path, capsys):
    for number in range(2):
        write_rgb(tmp_path / 'photographs' / f'{number}.png', photograph(number))
    assert run('weights', 'calibrate-ood', weights, '--device', 'cpu', '--dataset',
               'plain_images', '--data', tmp_path / 'photographs', '--split', 'all') == 1
    assert 'in-distribution pixels must be one or more, got none' in capsys.readouterr().err
    assert read_weights_header(weights).ood_threshold is None


def test_a_rate_that_is_none_is_refused_before_anything_runs(weights, camvid, capsys):
    assert calibrate(weights, camvid, '--fpr', '5') == 1
    assert capsys.readouterr().err == (
        'ldn: --fpr must be above 0 and below 1, got 5.0: ask for 0.05\n')
