# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from ldn_perception.inference.engine_trial import DecisionStore, EngineDecision

FACTS = {'network': 'abc', 'size': '160x96'}
DECISION = EngineDecision('openvino', 'openvino: 5 ms against 9 ms of torch', ('b is refused',))


def test_a_decision_is_found_again_by_the_same_facts_only(tmp_path):
    folder = tmp_path / 'new'
    assert DecisionStore(folder).find(FACTS) is None
    assert DecisionStore(folder).settle(FACTS, DECISION) == DECISION
    again = DecisionStore(folder)
    assert again.find(dict(reversed(FACTS.items()))) == DECISION
    for other in ({**FACTS, 'size': '96x160'}, {**FACTS, 'more': ''}, {'network': 'abc'}):
        assert again.find(other) is None


def test_the_first_decision_stands(tmp_path):
    DecisionStore(tmp_path).settle(FACTS, DECISION)
    late = EngineDecision('', 'torch: 5 ms against 9 ms of openvino')
    assert DecisionStore(tmp_path).settle(FACTS, late) == DECISION
    assert DecisionStore(tmp_path).find(FACTS) == DECISION


@pytest.mark.parametrize('text', ['', '{"decision": {}}', '[]', '{"decision": null}', '\xff'])
def test_a_damaged_file_is_decided_anew(tmp_path, text):
    store = DecisionStore(tmp_path)
    store.settle(FACTS, DECISION)
    (file,) = tmp_path.iterdir()
    file.write_text(text, 'latin-1')
    assert store.find(FACTS) is None
    other = EngineDecision('', 'torch')
    assert store.settle(FACTS, other) == store.find(FACTS) == other
    assert list(tmp_path.iterdir()) == [file]


def test_a_decision_that_cannot_be_kept_holds_and_is_told(tmp_path, caplog):
    (tmp_path / 'file').touch()
    store = DecisionStore(tmp_path / 'file')
    assert store.settle(FACTS, DECISION) == DECISION
    assert f'the choice of the engine cannot be kept in {tmp_path / "file"}, ' in caplog.text


def test_sizes_are_found_by_the_other_facts(tmp_path):
    store = DecisionStore(tmp_path)
    assert store.find_sizes(FACTS) == []
    store.settle({**FACTS, 'network': 'other', 'size': '1x1'}, DECISION)
    for age_s, size in enumerate(('30x30', '20x20', '10x10')):
        store.settle({**FACTS, 'size': size}, DECISION)
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (0, 1000 - age_s))
    (tmp_path / 'decision-damaged.json').write_text('{')
    (tmp_path / 'decision-other.json').write_text('{"facts": {}}')
    assert store.find_sizes({**FACTS, 'size': ''}) == ['30x30', '20x20', '10x10']
