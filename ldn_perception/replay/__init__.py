# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded drives through the corridor, offline: every pair, scored, and resumable."""

from ldn_perception.replay.merging import merge_replays
from ldn_perception.replay.runner import Replay, Watcher
from ldn_perception.replay.settings import ReplaySettings

__all__ = ['Replay', 'ReplaySettings', 'Watcher', 'merge_replays']
