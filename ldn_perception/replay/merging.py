# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Replays of single bags as the replay of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

from ldn_perception.errors import ReplayError
from ldn_perception.replay.checkpoint import Checkpoint
from ldn_perception.replay.frame_lines import read_lines
from ldn_perception.replay.replay_folder import BAG, ReplayFolder
from ldn_perception.replay.settings import ReplaySettings, check_same

_OWN = ('name', 'bags', 'bag_bytes', 'ground_truth')


def merge_replays(settings: ReplaySettings, parts: Sequence[Path], path: Path) -> None:
    """Make a folder as one replay of all bags would have made it.

    All counts are exact; times are those that the parts took.

    Args:
        settings: Of the whole: all bags in the order of the parts.
        parts: Folders of finished replays, of one or more of the bags each; they stay.
        path: Folder to make.

    Raises:
        ReplayError: A part is not finished or was made with other settings, or the bags are not
            those of the settings.
        BagError: Results of a part cannot be read.
    """
    folder = ReplayFolder(path, settings)
    try:
        if not folder.is_complete:
            _check(settings, parts)
            for part in parts:
                _append(folder, part)
            folder.save()
            folder.finish(complete=True)
    finally:
        folder.close()


def _check(settings: ReplaySettings, parts: Sequence[Path]) -> None:
    wanted = settings.to_json()
    bags: list[str] = []
    for part in parts:
        stored = _read_description(part)
        bags += stored['bags']
        check_same(
            part, stored, {name: value for name, value in wanted.items() if name not in _OWN})
    if bags != wanted['bags']:
        raise ReplayError(
            'bags of the parts', must_be=', '.join(wanted['bags']), got=', '.join(bags),
            do='give every part once, in the order of the bags')


def _read_description(part: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads((part / 'replay.json').read_text())
    except (OSError, ValueError):
        stored = {'complete': False}
    if not stored['complete']:
        raise ReplayError(
            f'part {part}', must_be='a finished replay', got='none or an unfinished one',
            do='replay its bag first')
    return stored


def _append(folder: ReplayFolder, part: Path) -> None:
    added, state = Checkpoint.load(part / 'checkpoint.npz'), folder.state
    offset = sum(bag.pairs for bag in state.progress.bags)
    for line in read_lines(part / 'frames.jsonl'):
        folder.write_frame({**line, 'index': line['index'] + offset})
    for line in read_lines(part / 'dropped.jsonl'):
        folder.write_dropped({**line, 'index': line['index'] + offset})
    if folder.bag is not None:
        folder.bag.take_over(part / BAG)
    for picture in added.pictures.kept:
        state.pictures.add(replace(picture, index=picture.index + offset))
    state.scores = state.scores.merge(added.scores)
    state.progress = state.progress.followed_by(added.progress)
