# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of engines on the same images, and persistent decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
import logging
import os
from pathlib import Path
import time

import torch
from torch import Tensor

from ldn_perception.inference.engine import Engine

NUM_IMAGES = 3
"""Images per trial; the shortest time of each engine counts."""


class EngineTrial:
    """Runs a reference and its candidates on several images, the reference first.

    Args:
        reference: Engine whose labels are the ground truth.
        candidates: Engines by backend name.
        least_agreement: Minimum share of labels equal to the reference's, in (0, 1].
        takes_fastest: True if the fastest engine wins, the reference included; False if the first
            accepted candidate wins.
    """

    def __init__(
        self, reference: Engine, candidates: Mapping[str, Engine], least_agreement: float,
        takes_fastest: bool,
    ) -> None:
        self._reference = reference
        self.candidates = dict(candidates)
        self._least_agreement = least_agreement
        self._takes_fastest = takes_fastest
        self._num_images = 0
        self._reference_s = float('inf')
        self._seconds = dict.fromkeys(self.candidates, float('inf'))
        self._agreement = dict.fromkeys(self.candidates, 0.0)
        self._failures: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """True if enough images were run or no candidate is left."""
        return self._num_images == NUM_IMAGES or len(self._failures) == len(self.candidates)

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Run the reference and try the candidates; return the reference's logits."""
        logits, seconds = _timed_run(self._reference, image, pixels_per_metre)
        self._reference_s = min(self._reference_s, seconds)
        self._num_images += 1
        for name, engine in self.candidates.items():
            if name not in self._failures:
                try:
                    self._try(name, engine, image, pixels_per_metre, logits)
                except Exception as error:  # noqa: BLE001 - a library may raise anything
                    self._failures[name] = f'it failed: {type(error).__name__}: {error}'
        return logits

    def _try(
        self, name: str, engine: Engine, image: Tensor, pixels_per_metre: Tensor | None,
        expected: Tensor,
    ) -> None:
        logits, seconds = _timed_run(engine, image, pixels_per_metre)
        self._seconds[name] = min(self._seconds[name], seconds)
        if logits.shape != expected.shape:
            self._failures[name] = (
                f'its logits are {tuple(logits.shape)}, not {tuple(expected.shape)}')
            return
        equal = logits.to(expected.device).argmax(dim=1) == expected.argmax(dim=1)
        self._agreement[name] += equal.float().mean().item()

    def decide(self) -> EngineDecision:
        """Choose the engine; the report has the times of all accepted engines."""
        refused = {name: reason for name in self.candidates if (reason := self._refusal(name))}
        accepted = [name for name in self.candidates if name not in refused]
        fastest = min(accepted, key=self._seconds.__getitem__, default='')
        winner = fastest if self._takes_fastest else next(iter(accepted), '')
        if self._takes_fastest and winner and self._seconds[winner] >= self._reference_s:
            winner = ''
        return EngineDecision(winner, self._report(winner, accepted), tuple(
            f'engine {name} is refused: {reason}' for name, reason in refused.items()))

    def _refusal(self, name: str) -> str:
        """Reason to refuse a candidate; '' if it is accepted."""
        if name in self._failures:
            return self._failures[name]
        share = self._agreement[name] / self._num_images
        if share >= self._least_agreement:
            return ''
        return (
            f'{share * 100:.1f} % of its labels are those of {self._reference.description}, '
            f'{self._least_agreement * 100:g} % are asked for')

    def _report(self, winner: str, accepted: list[str]) -> str:
        times = {'': (self._reference.description, self._reference_s)}
        times |= {
            name: (self.candidates[name].description, self._seconds[name]) for name in accepted}
        description, seconds = times.pop(winner)
        if not times:
            return description
        others = ' and '.join(f'{_ms(slower_s)} of {name}' for name, slower_s in times.values())
        return f'{description}: {_ms(seconds)} against {others}'


def _timed_run(
    engine: Engine, image: Tensor, pixels_per_metre: Tensor | None,
) -> tuple[Tensor, float]:
    started_s = time.perf_counter()
    logits = engine.run(image, pixels_per_metre)
    if logits.is_cuda:
        torch.cuda.synchronize(logits.device)
    return logits, time.perf_counter() - started_s


def _ms(seconds: float) -> str:
    return f'{seconds * 1e3:.3g} ms' if seconds < 1 else f'{seconds * 1e3:.0f} ms'


_NAME = 'decision-{}.json'


@dataclass(frozen=True, slots=True)
class EngineDecision:
    """Result of an engine trial.

    Attributes:
        engine: Name of the winning backend; '' for the reference.
        report: Winner and times of all, for example 'openvino, bfloat16: 52 ms against 142 ms of
            torch, bfloat16'.
        refused: One sentence per refused candidate with the reason.
    """

    engine: str
    report: str
    refused: tuple[str, ...] = ()


class DecisionStore:
    """Stored decisions: one JSON file per set of facts they depend on.

    Args:
        folder: Folder of the files; it is created with the first decision.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, facts: Mapping[str, str]) -> EngineDecision | None:
        """Return the stored decision for these facts; None if missing or unreadable."""
        try:
            fields = json.loads(self._path(facts).read_text())['decision']
            return EngineDecision(fields['engine'], fields['report'], tuple(fields['refused']))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find_sizes(self, facts: Mapping[str, str]) -> list[str]:
        """List the sizes of decisions with the same facts otherwise, most recent first."""
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
        """Store a decision, unless another process has stored one already.

        A decision that cannot be written is valid for this process only; a warning is logged.

        Returns:
            The valid decision.
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
