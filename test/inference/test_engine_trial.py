# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import re

from made_engines import LOGITS, MadeEngine, with_wrong_labels
import pytest
import torch

from ldn_perception.inference.engine_trial import NUM_IMAGES, EngineDecision, EngineTrial

IMAGE = torch.zeros(80, 200, 3, dtype=torch.uint8)
SLOW_S, FAST_S = 0.02, 0.002


def decided(reference_s=SLOW_S, takes_fastest=True, **candidates):
    """Decision of a trial on as many images as it wants."""
    reference = MadeEngine('torch, float32', seconds=reference_s)
    trial = EngineTrial(reference, candidates, 0.97, takes_fastest)
    for _ in range(NUM_IMAGES):
        assert not trial.is_over
        assert torch.equal(trial.run(IMAGE), LOGITS)
    assert trial.is_over
    return trial.decide()


def made(name, seconds=FAST_S, **options):
    return MadeEngine(f'{name}, float32', seconds=seconds, **options)


def test_the_fastest_engine_wins_and_all_times_are_told():
    decision = decided(a=made('a', 0.01), b=made('b'))
    assert (decision.engine, decision.refused) == ('b', ())
    found = re.fullmatch(
        r'b, float32: ([\d.]+) ms against ([\d.]+) ms of torch, float32 and ([\d.]+) ms of a, '
        'float32', decision.report)
    b_ms, torch_ms, a_ms = map(float, found.groups())
    assert FAST_S * 1e3 <= b_ms < 10 <= a_ms < SLOW_S * 1e3 <= torch_ms


def test_the_reference_stays_where_it_is_the_fastest():
    decision = decided(FAST_S, a=made('a', SLOW_S))
    assert decision.engine == ''
    assert re.fullmatch(
        r'torch, float32: [\d.]+ ms against [\d.]+ ms of a, float32', decision.report)


def test_an_engine_that_was_named_need_not_be_fast():
    decision = decided(FAST_S, takes_fastest=False, a=made('a', SLOW_S))
    assert decision.engine == 'a'
    assert re.fullmatch(
        r'a, float32: [\d.]+ ms against [\d.]+ ms of torch, float32', decision.report)


@pytest.mark.parametrize('takes_fastest', [True, False])
@pytest.mark.parametrize(('number', 'refused'), [
    (30, ()),
    (31, ('engine a is refused: 96.9 % of its labels are those of torch, float32, 97 % are '
          'asked for',)),
])
def test_wrong_labels_are_refused_with_their_share(number, refused, takes_fastest):
    decision = decided(
        takes_fastest=takes_fastest, a=made('a', logits=with_wrong_labels(number)))
    assert decision.refused == refused
    assert decision.engine == ('' if refused else 'a')


def test_logits_of_another_shape_are_refused():
    decision = decided(a=made('a', logits=LOGITS[..., 1:]), b=made('b'))
    assert decision.engine == 'b'
    assert decision.refused == (
        'engine a is refused: its logits are (1, 5, 20, 49), not (1, 5, 20, 50)',)


def test_an_engine_that_raises_is_refused_and_not_asked_again():
    failing = made('a', error=RuntimeError('no such operation'))
    trial = EngineTrial(MadeEngine('torch, float32'), {'a': failing}, 0.97, True)
    assert torch.equal(trial.run(IMAGE), LOGITS)
    assert trial.is_over
    assert trial.decide() == EngineDecision('', 'torch, float32', (
        'engine a is refused: it failed: RuntimeError: no such operation',))
    decision = decided(a=failing, b=made('b'))
    assert (decision.engine, failing.count) == ('b', 2)  # once in each trial
