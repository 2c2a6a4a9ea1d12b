# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from meta_networks import NUM_CLASSES, meta_network
import numpy as np
import pytest
from safetensors.torch import load_file
import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.class_prior import final_bias, multiply_foreign_odds
from ldn_perception.models.registry import MODELS, build_model
from ldn_perception.models.weights import (
    load_weights,
    read_weights_header,
    save_weights,
    write_weights,
)

CLASSES = ('road', 'sky', 'cat', 'dog')
NUM_DRIVING = 2
SMALL = [name for name in MODELS if name.endswith('small')]


def _logits(path, name):
    model = build_model(name, len(CLASSES)).double().eval()
    load_weights(path, model, name, CLASSES)
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 3, 64, 96, generator=generator, dtype=torch.double)
    with torch.inference_mode():
        return model(image, torch.full((1, 64, 96), 20.0)).logits[0]


@pytest.fixture
def weights(tmp_path):
    def written(name='ldn_small', **more):
        path = tmp_path / f'{name}.safetensors'
        save_weights(path, build_model(name, len(CLASSES), 3), name, CLASSES, **more)
        return path
    return written


@pytest.mark.parametrize('name', SMALL)
def test_odds_of_foreign_are_multiplied_and_nothing_else_changes(name, weights, tmp_path):
    source, changed = weights(name), tmp_path / 'changed'
    multiply_foreign_odds(source, changed, NUM_DRIVING, 0.25)
    before, after = _logits(source, name), _logits(changed, name)
    expected = np.log(0.25) * torch.tensor([0, 0, 1, 1])
    torch.testing.assert_close(
        after - before, expected[:, None, None].expand_as(before).double(), atol=1e-5, rtol=0)
    odds = [
        torch.log(each[NUM_DRIVING:].sum(0) / each[:NUM_DRIVING].sum(0))
        for each in (before.softmax(0), after.softmax(0))]
    torch.testing.assert_close(
        odds[1] - odds[0], torch.full_like(odds[0], np.log(0.25)), atol=1e-5, rtol=0)
    bias = final_bias(build_model(name, len(CLASSES)))
    one, other = load_file(source), load_file(changed)
    assert all(torch.equal(one[key], other[key]) for key in one if key != bias)


@pytest.mark.parametrize('name', sorted(set(MODELS) - set(SMALL)))
def test_every_network_has_a_bias_for_each_class(name):
    model = meta_network(name)
    assert model.get_parameter(final_bias(model)).shape == (NUM_CLASSES,)


def test_calibrated_threshold_moves_so_that_the_mask_stays(weights, tmp_path):
    source, changed = weights(ood_threshold=0.3), tmp_path / 'changed'
    multiply_foreign_odds(source, changed, NUM_DRIVING, 3.0)
    masks = [
        _logits(path, 'ldn_small').softmax(0)[NUM_DRIVING:].sum(0)
        > read_weights_header(path).ood_threshold for path in (source, changed)]
    assert read_weights_header(changed).ood_threshold == pytest.approx(0.9 / 1.6)
    assert torch.equal(*masks)


def test_file_stays_as_precise_and_remembers_all_factors(weights):
    path = weights(dtype=torch.float16, summary={'note': 'any'})
    multiply_foreign_odds(path, path, NUM_DRIVING, 0.5)
    header = multiply_foreign_odds(path, path, NUM_DRIVING, 0.4)
    assert header == read_weights_header(path)
    assert header.summary == {'note': 'any', 'foreign_odds': pytest.approx(0.2)}
    assert header.ood_threshold is None
    assert {value.dtype for value in load_file(path).values() if value.is_floating_point()} == {
        torch.float16}


@pytest.mark.parametrize('factor', [0.0, -1.0, float('nan'), float('inf')])
def test_factor_must_be_one(factor, weights):
    path = weights()
    before = path.read_bytes()
    with pytest.raises(ModelError, match=(
            f'factor of foreign odds must be above 0, got {factor}: try 0.5')):
        multiply_foreign_odds(path, path, NUM_DRIVING, factor)
    assert path.read_bytes() == before


def test_file_without_the_tensors_of_its_network_is_refused(weights, tmp_path):
    header = read_weights_header(weights())
    write_weights(tmp_path / 'damaged', {}, header)
    with pytest.raises(ModelError, match=r'tensors of weights file .*damaged must be the \d+ of'):
        multiply_foreign_odds(tmp_path / 'damaged', tmp_path / 'out', NUM_DRIVING, 0.5)
    assert not (tmp_path / 'out').exists()


def test_network_without_foreign_classes_is_refused(weights):
    path = weights()
    with pytest.raises(ModelError, match=(
            'must be of a network with foreign classes, got one of 4 driving classes: '
            'train with foreign images')):
        multiply_foreign_odds(path, path, len(CLASSES), 0.5)
