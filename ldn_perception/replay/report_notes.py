# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader of a replay's report has to know before the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from ldn_perception.replay.report_folder import ReplayedConfiguration
from ldn_perception.replay.report_tables import counts


def notes(configuration: ReplayedConfiguration) -> list[str]:
    """Everything that limits what the numbers of a configuration say, in sentences."""
    return [*_about_the_replay(configuration), *_about_the_truth(configuration)]


def _about_the_replay(configuration: ReplayedConfiguration) -> Iterator[str]:
    replay, pairs = configuration.replay, counts(configuration)
    if not replay.get('complete', False):
        bags, opened = len(replay.get('bags', ())), len(pairs.get('bags', ()))
        of = f' of {pairs["pairs"]} in {opened} of {bags} bags' if pairs.get('pairs') else ''
        yield (f'Incomplete: {len(configuration.frames)} pairs{of} have a result so far. The same '
               'command goes on with it.')
    if not len(configuration.frames):
        yield 'There is no result yet, so there is nothing to show.'
    if not replay.get('weights'):
        yield 'Untrained: the weights are random, labels and scores mean nothing.'
    dropped = pairs.get('dropped') or {}
    if dropped:
        reasons = ', '.join(f'{count} {reason}' for reason, count in sorted(dropped.items()))
        yield f'Pairs without a result: {reasons}. dropped.jsonl says why, pair by pair.'
    unpaired = pairs.get('unpaired_images') or 0
    if unpaired:
        yield f'{unpaired} left images have no complete pair and were not replayed.'


def _about_the_truth(configuration: ReplayedConfiguration) -> Iterator[str]:
    if not len(configuration.frames):
        return
    if not configuration.scores:
        yield 'Scores are written when a replay ends or is stopped; they are missing here.'
        return
    parts = {
        'segmentation': 'labels', 'ood': 'foreign objects', 'disparity': 'disparity'}
    missing = [text for part, text in parts.items() if not configuration.score(part)]
    if len(missing) == len(parts):
        yield ('No ground truth: nothing here says how right the results are. Best and worst '
               'pairs are left out.')
    elif missing:
        yield f'No ground truth of {" and ".join(missing)}: not scored.'
