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
from ldn_perception.replay.replay_folder import BAG, CHECKPOINT, ReplayFolder, is_finished
from ldn_perception.replay.settings import ReplaySettings, check_same

_OWN = ('name', 'bags', 'bag_bytes', 'ground_truth')


def merge_replays(
    settings: ReplaySettings, parts: Sequence[Path], path: Path, *, complete: bool = True,
) -> None:
    """Make a folder as one replay of all bags would have made it.

    All counts are exact; times are those that the parts took.

    Args:
        settings: Of the whole: all bags in the order of the parts.
        parts: Folders of finished replays, of one or more of the bags each; they stay.
        path: Folder to make.
        complete: Whether these are all bags; if bags are missing, the next merge or replay into
            this folder begins anew.

    Raises:
        ReplayError: A part is not finished or was made with other settings, the bags are not
            those of the settings, or the folder holds something else.
        BagError: Results of a part cannot be read.
    """
    if not needs_merge(settings, path):
        return
    _check(settings, parts, complete)
    folder = ReplayFolder(path, settings)
    try:
        for part in parts:
            _append(folder, part)
        if complete:
            folder.save()
        folder.finish(complete=complete)
    finally:
        folder.close()


def needs_merge(settings: ReplaySettings, path: Path) -> bool:
    """Whether a folder is still to be made; nothing is changed.

    Args:
        settings: Of the whole.
        path: The folder.

    Raises:
        ReplayError: It holds a replay that goes on without a merge, one of other settings, or
            other files.
    """
    if is_finished(path, settings):
        return False
    if (path / CHECKPOINT).is_file():
        raise ReplayError(
            f'output {path}', must_be='a new folder, or one that was merged',
            got='a replay that has begun on one machine',
            do='go on with it there, or choose another --output')
    return True


def _check(settings: ReplaySettings, parts: Sequence[Path], complete: bool) -> None:
    wanted = settings.to_json()
    bags: list[str] = []
    for part in parts:
        stored = _read_description(part)
        bags += stored['bags']
        check_same(
            part, stored, {name: value for name, value in wanted.items() if name not in _OWN})
    expected = [bag for bag in wanted['bags'] if complete or bag in bags]
    if bags != expected:
        raise ReplayError(
            'bags of the parts', must_be=', '.join(expected), got=', '.join(bags),
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
    state.scores += added.scores
    state.progress = state.progress.followed_by(added.progress)
