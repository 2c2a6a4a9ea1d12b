# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.live_matching import (
    LapBegan,
    LapEnded,
    PairSent,
    PlaybackEnded,
    PlaybackPlanned,
    event_from_text,
    event_to_text,
)


@pytest.mark.parametrize('event', [
    PlaybackPlanned('drive', 12, (1.0, 2.5), 0, ('labels', 'disparity'), True),
    LapBegan(3, 1),
    PairSent(1_500_000_000_123_456_789, 1_600_000_000_987_654_321),
    LapEnded(),
    PlaybackEnded(),
])
def test_an_event_travels_as_text_to_the_nanosecond(event):
    text = event_to_text(event)
    assert '\n' not in text
    assert event_from_text(text) == event


@pytest.mark.parametrize('text', [
    '', '{}', '[]', '{"event": "Paused"}', '{"event": "LapBegan", "lap": 1}',
    '{"event": "LapEnded", "lap": 1}',
])
def test_what_is_no_event_is_refused(text):
    with pytest.raises(EvaluationError, match=(
            r'event on bag_player/events must be JSON of one of PlaybackPlanned, .*: play with')):
        event_from_text(text)
