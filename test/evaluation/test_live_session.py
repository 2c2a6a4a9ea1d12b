# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A live evaluation with a player and a node that are made of calls."""

import json

import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.live_matching import (
    LapBegan,
    LapEnded,
    PairSent,
    PlaybackEnded,
    PlaybackPlanned,
)
from ldn_perception.evaluation.live_report import check_scored, to_json, to_table
from ldn_perception.evaluation.live_scores import NodeState
from ldn_perception.evaluation.live_session import LiveSession, SessionRules
from ldn_perception.taxonomy import CITYSCAPES

MS = 1_000_000
TRUTH = np.array([[0, 0, 2, 255]], np.uint8)
PUBLISHED = np.array([[0, 2, 2, 2]], np.uint8)


class Rig:
    """Player, node and clock of a session whose payloads are the pixels themselves."""

    def __init__(self, rates=(1.0,), laps=1, truth=('labels',), **rules):
        self.lines = []
        self.now_s = 0.0
        self.counts = {'pairs_received': 0, 'pairs_processed': 0}
        self.session = LiveSession(
            SessionRules(settle_s=3.0, patience_s=60.0, **rules),
            lambda name, payload: payload, self.lines.append)
        self.event(PlaybackPlanned('drive', 2, rates, laps, truth, True))
        self.say()
        assert self.session.task is not None

    def event(self, event):
        self.session.hear_event(event, self.now_s)

    def say(self, **counts):
        """Let the node speak."""
        self.now_s += 0.1
        self.counts |= counts
        values = {
            'taxonomy': 'universal', 'model': 'ldn_small', 'weights': '/w/road.safetensors',
            'stage.wait_ms': '7', 'stage.network_ms': '20', 'stage.decode_ms': '5',
            **{key: str(value) for key, value in self.counts.items()}}
        self.session.hear_node(NodeState.from_values('running', values), self.now_s)

    def pair(self, stamp, sent_ns, latency_ms=30, heard=True, published=PUBLISHED):
        """Send a pair with its ground truth, and have its result come or be dropped."""
        self.event(PairSent(stamp, sent_ns))
        self.truth(stamp)
        self.counts['pairs_received'] += 1
        if heard:
            self.counts['pairs_processed'] += 1
            self.session.add_result(
                'labels', stamp, published, sent_ns + latency_ms * MS, self.now_s)
        else:
            self.counts['dropped.stale'] = self.counts.get('dropped.stale', 0) + 1

    def truth(self, stamp):
        self.session.add_truth('labels', stamp, TRUTH, self.now_s)

    def settle(self):
        """Let a lap end and its last results come in."""
        self.event(LapEnded())
        self.say()
        self.now_s += 5.0
        self.session.look(self.now_s)

    def report(self):
        return to_json(self.session, CITYSCAPES)


def test_each_rate_has_its_own_scores():
    rig = Rig(rates=(1.0, 2.0))
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.pair(2, 100 * MS, latency_ms=50)
    rig.settle()
    rig.event(LapBegan(1, 1))
    rig.pair(1, 1000 * MS, latency_ms=20)
    rig.pair(2, 1050 * MS, heard=False)
    rig.pair(3, 1100 * MS, latency_ms=150, published=TRUTH)
    rig.event(PlaybackEnded())
    rig.settle()
    assert rig.session.is_finished
    first, second = rig.report()['passes']
    assert first['pairs'] == {
        'sent': 2, 'received': 2, 'processed': 2, 'heard': 2, 'lost_before_node': 0,
        'lost_after_node': 0, 'dropped': {}}
    assert second['pairs']['dropped'] == {'stale': 1}
    assert (first['outcomes'], second['outcomes']) == (
        {'scored': 2}, {'scored': 2, 'no_result': 1})
    assert (first['latency']['p50_ms'], first['latency']['max_ms']) == (40, 50)
    assert (first['sent_rate_hz'], second['sent_rate_hz']) == (10, 20)
    assert (first['heard_rate_hz'], second['heard_rate_hz']) == pytest.approx(
        (1e3 / 120, 1e3 / 230))
    assert first['mean_iou'] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert first['iou']['road'] == 0.5
    assert first['iou']['car'] is None
    assert second['mean_iou'] == pytest.approx((3 / 4 + 2 / 3) / 2)
    # two processing times, without waiting, and 50 ms
    assert (first['age_bound_ms'], first['older_than_bound']) == (100, 0)
    assert second['older_than_bound'] == 1
    json.dumps(rig.report(), allow_nan=False)


def test_every_pair_has_one_line():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 5 * MS)
    rig.pair(2, 6 * MS, heard=False)
    rig.pair(3, 7 * MS)
    rig.settle()
    assert [(line['stamp_ns'], line['outcome']) for line in rig.lines] == [
        (1, 'scored'), (2, 'no_result'), (3, 'scored')]
    assert rig.lines[0] == {
        'rate': 1.0, 'lap': 0, 'stamp_ns': 1, 'sent_ns': 5 * MS, 'heard_ns': 35 * MS,
        'latency_ms': 30.0, 'outcome': 'scored', 'mean_iou': 0.5, 'pixel_accuracy': 2 / 3}


def test_laps_of_a_looping_bag_are_counted_and_no_frame_is_scored_twice():
    rig = Rig(laps=2)
    for lap in range(2):
        assert rig.session.ready_for == lap
        rig.event(LapBegan(lap, 0))
        rig.pair(1, (1 + lap) * 10_000 * MS)
        rig.pair(2, (1 + lap) * 10_000 * MS + 100 * MS)
        rig.settle()
    only, = rig.report()['passes']
    assert (only['laps'], only['outcomes'], only['strays']) == (2, {'scored': 4}, {})
    # the pause between the laps is no part of the rate
    assert only['sent_rate_hz'] == 10
    assert only['latency']['max_ms'] == 30


def test_a_lap_that_begins_unasked_closes_the_one_before():
    rig = Rig(laps=2)
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.pair(2, 100 * MS, heard=False)
    rig.event(LapBegan(1, 0))
    rig.pair(1, 200 * MS, heard=False)
    # of the lap before, for it was heard before its stamp was sent again
    rig.event(PairSent(2, 300 * MS))
    rig.session.add_result('labels', 2, PUBLISHED, 290 * MS, rig.now_s)
    rig.settle()
    only, = rig.report()['passes']
    assert (only['laps'], only['outcomes'], only['strays']) == (
        2, {'scored': 1, 'no_result': 3}, {'late': 1})


def test_a_lap_is_not_over_while_the_node_has_a_pair_in_work():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.event(PairSent(2, 100 * MS))
    rig.event(LapEnded())
    rig.say(pairs_received=2)
    for _ in range(10):
        rig.now_s += 5.0
        rig.session.look(rig.now_s)
        assert rig.session.ready_for == 0
    rig.session.add_result('labels', 2, PUBLISHED, 51_000 * MS, rig.now_s)
    rig.session.look(rig.now_s)
    assert rig.session.ready_for == 0  # the node has not said since that it is done
    rig.say(pairs_processed=2)
    rig.now_s += 3.0
    rig.session.look(rig.now_s)
    assert rig.session.ready_for == 1
    assert rig.report()['passes'][0]['pairs']['heard'] == 2


def test_patience_has_an_end():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.event(PairSent(1, 0))
    rig.event(PlaybackEnded())
    rig.event(LapEnded())
    rig.say(pairs_received=1)
    rig.now_s += 59.0
    rig.session.look(rig.now_s)
    assert not rig.session.is_finished
    rig.now_s += 2.0
    rig.session.look(rig.now_s)
    assert rig.session.is_finished
    assert rig.session.is_complete


def test_a_player_that_vanishes_ends_the_evaluation_early():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.session.lose_player(rig.now_s)
    rig.say()
    rig.now_s += 5.0
    rig.session.look(rig.now_s)
    assert rig.session.is_finished
    assert rig.report()['complete'] is False
    assert ', ended early' in to_table(rig.session, CITYSCAPES)
    assert rig.report()['passes'][0]['outcomes'] == {'scored': 1}


def test_what_was_begun_is_kept_at_an_interrupt():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.event(PairSent(2, 100 * MS))
    rig.session.interrupt()
    assert rig.report()['passes'][0]['outcomes'] == {'scored': 1, 'no_result': 1}


def test_messages_between_the_laps_are_late():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.settle()
    rig.truth(1)
    rig.session.add_result('labels', 1, PUBLISHED, 99 * MS, rig.now_s)
    assert rig.report()['passes'][0]['strays'] == {'late': 2}
    assert rig.report()['passes'][0]['outcomes'] == {'scored': 1}


def test_results_wanted_are_those_with_ground_truth_and_labels_in_any_case():
    assert Rig(truth=('disparity',)).session.wanted_results == {'labels', 'disparity'}
    assert Rig(truth=('labels', 'foreign')).session.wanted_results == {
        'labels', 'foreign_probability'}
    assert Rig(truth=('foreign',), ood_output='ood_mask').session.wanted_results == {
        'labels', 'ood_mask'}


def test_pairs_lost_on_the_way_are_told_from_dropped_ones():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.pair(1, 0)
    rig.pair(2, 100 * MS, heard=False)
    rig.event(PairSent(3, 200 * MS))  # never reaches the node
    rig.counts['pairs_received'] += 1  # a jump of the stamps, that no pair stands for
    rig.counts['dropped.stamp_jump'] = 1
    rig.event(PairSent(4, 300 * MS))  # processed, but not heard
    rig.counts['pairs_received'] += 1
    rig.counts['pairs_processed'] += 1
    rig.settle()
    only, = rig.report()['passes']
    pairs = only['pairs']
    assert (pairs['sent'], pairs['lost_before_node'], pairs['lost_after_node']) == (4, 1, 1)
    assert (pairs['dropped'], only['stamp_jumps']) == ({'stale': 1}, 1)
    assert 'stamps jumped back' in to_table(rig.session, CITYSCAPES)


def test_the_table_has_a_column_for_each_rate():
    rig = Rig(rates=(1.0, 4.0))
    for lap in range(2):
        rig.event(LapBegan(lap, lap))
        rig.pair(1, 0, heard=not lap)
        rig.pair(2, 100 * MS)
        rig.settle()
    rows = {line[:40].strip(): line[40:].split() for line in to_table(
        rig.session, CITYSCAPES).splitlines()[1:]}
    assert rows['rate'] == ['1x', '4x']
    assert rows['results heard'] == ['2', '1']
    assert rows['dropped by the node: stale'] == ['0', '1']
    assert rows['pairs: no_result'] == ['0', '1']
    assert rows['mIoU [%]'] == ['50.0', '50.0']
    assert rows['road'] == ['50.0', '50.0']
    assert rows['disparity D1, all [%]'] == ['-', '-']
    assert 'car' not in rows


@pytest.mark.parametrize(('truth', 'message', 'published', 'do'), [
    ((), 'running', PUBLISHED, 'play a bag with ground_truth/labels, foreign or disparity'),
    (('labels',), 'running', None, 'look at the log of the node, which says: running'),
    (('labels',), 'running', PUBLISHED[:, :2], 'results and ground truth of one stamp must be'),
])
def test_nothing_scored_is_one_sentence_with_the_reason(truth, message, published, do):
    rig = Rig(truth=truth)
    rig.event(LapBegan(0, 0))
    rig.event(PairSent(1, 0))
    if truth:
        rig.truth(1)
    if published is not None:
        rig.session.add_result('labels', 1, published, 10 * MS, 0.0)
    rig.settle()
    with pytest.raises(EvaluationError, match=(
            r'live evaluation must be of at least one pair with a result and ground truth, got '
            rf'1 pairs sent, [01] results heard, none scored: {do}')):
        check_scored(rig.session)


def test_ground_truth_of_other_stamps_is_told():
    rig = Rig()
    rig.event(LapBegan(0, 0))
    rig.event(PairSent(1, 0))
    rig.session.add_result('labels', 1, PUBLISHED, 10 * MS, 0.0)
    rig.truth(2)
    rig.settle()
    assert rig.report()['passes'][0]['strays'] == {'unknown_stamp': 1}
    with pytest.raises(EvaluationError, match=r'check that the bag has ground truth with the st'):
        check_scored(rig.session)


def test_a_node_without_a_known_taxonomy_is_refused():
    session = LiveSession(SessionRules(), lambda name, payload: payload, print)
    session.hear_event(PlaybackPlanned('drive', 2, (1.0,), 1, ('labels',), False), 0.0)
    assert session.task is None
    session.hear_node(NodeState.from_values('running', {'taxonomy': 'moon'}), 0.0)
    with pytest.raises(EvaluationError, match=(
            r"taxonomy of the node on /diagnostics must be one of cityscapes, .*, got 'moon'")):
        _ = session.task


def test_counts_of_a_while_are_differences_and_those_of_a_node_started_anew_are_whole():
    before = NodeState(received=10, processed=7, dropped={'stale': 3, 'bad': 0})
    after = NodeState(received=15, processed=9, dropped={'stale': 3, 'bad': 2, 'new': 1})
    during = after.since(before)
    assert (during.received, during.processed, during.dropped) == (5, 2, {'bad': 2, 'new': 1})
    assert during.unfinished == 0
    assert before.since(after) is before
