# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from evaluation_fixtures import logits_of, photograph, write_weights
import pytest
import torch

from ldn_perception.cli.main import main
from ldn_perception.models.weights import read_weights_header
from ldn_perception.taxonomy import CITYSCAPES, UNIVERSAL


def correct(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['weights', 'correct-prior', *map(str, arguments)])
    return ended.value.code


def test_corrected_weights_are_written_and_told(tmp_path, capsys):
    source = write_weights(tmp_path / 'weights', UNIVERSAL)
    other = tmp_path / 'other'
    assert correct(source, '--foreign-odds', 0.5, '--output', other) == 0
    assert capsys.readouterr().out == (
        f'{other}: ldn_small, foreign odds 0.5 times those of the training\n')
    num_driving = UNIVERSAL.num_driving
    before, after = (
        logits_of(path, UNIVERSAL, photograph(0)).double().softmax(0)[num_driving:].sum(0)
        for path in (source, other))
    torch.testing.assert_close(after, before / (2 - before), atol=1e-4, rtol=0)


def test_without_another_file_the_weights_are_replaced(tmp_path, capsys):
    path = write_weights(tmp_path / 'weights', UNIVERSAL)
    assert correct(path, '--foreign-odds', 2) == 0
    assert correct(path, '--foreign-odds', 2) == 0
    assert capsys.readouterr().out.endswith('foreign odds 4 times those of the training\n')
    assert read_weights_header(path).summary == {'note': 'untrained', 'foreign_odds': 4.0}


@pytest.mark.parametrize(('taxonomy', 'factor', 'text'), [
    (CITYSCAPES, 0.5, 'must be of a network with foreign classes, got one of 19 driving classes'),
    (UNIVERSAL, 0, 'factor of foreign odds must be above 0, got 0.0: try 0.5'),
])
def test_what_cannot_be_corrected_is_one_sentence(taxonomy, factor, text, tmp_path, capsys):
    path = write_weights(tmp_path / 'weights', taxonomy)
    assert correct(path, '--foreign-odds', factor) == 1
    assert text in capsys.readouterr().err
