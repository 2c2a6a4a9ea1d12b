# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which engine was found best, kept on disk: the next start takes the same one untried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
import logging
import os
from pathlib import Path

_NAME = 'decision-{}.json'


@dataclass(frozen=True, slots=True)
class EngineDecision:
    """What a trial of engines ended with.

    Attributes:
        engine: Name of the backend that won; '' where the reference stays.
        report: The winner and times of all, as in 'openvino, bfloat16: 52 ms against 142 ms of
            torch, bfloat16'.
        refused: Why candidates were refused, a sentence each.
    """

    engine: str
    report: str
    refused: tuple[str, ...] = ()


class DecisionStore:
    """Decisions as JSON files, each known by all that it depends on.

    Args:
        folder: Where they are; it is made when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, facts: Mapping[str, str]) -> EngineDecision | None:
        """Decision that was kept for these facts; None if there is none that can be read."""
        try:
            fields = json.loads(self._path(facts).read_text())['decision']
            return EngineDecision(fields['engine'], fields['report'], tuple(fields['refused']))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find_sizes(self, facts: Mapping[str, str]) -> list[str]:
        """Sizes that decisions were kept for whose other facts are these, the newest first."""
        others = {name: value for name, value in facts.items() if name != 'size'}
        found = []
        for path in self._folder.glob(_NAME.format('*')):
            try:
                known = json.loads(path.read_text())['facts']
                size = known.pop('size')
                if known == others:
                    found.append((path.stat().st_mtime, str(size)))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
        return [size for _, size in sorted(found, reverse=True)]

    def settle(self, facts: Mapping[str, str], decision: EngineDecision) -> EngineDecision:
        """Keep a decision, unless another process has kept one meanwhile.

        A decision that cannot be written holds for this process; the log says so.

        Returns:
            The decision that stands.
        """
        known = self.find(facts)
        if known is not None:
            return known
        path = self._path(facts)
        partial = path.with_suffix(f'.{os.getpid()}')
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(
                {'decision': asdict(decision), 'facts': dict(facts)}, indent=2) + '\n')
            partial.replace(path)
        except OSError as error:
            logging.getLogger(__name__).warning(
                'the choice of the engine cannot be kept in %s, the next start will try again: '
                '%s', self._folder, error)
        return decision

    def _path(self, facts: Mapping[str, str]) -> Path:
        digest = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()
        return self._folder / _NAME.format(digest[:24])
