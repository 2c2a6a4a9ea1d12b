# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Gain from running matcher and network concurrently: rate and age, 1226x370, CPU.

Three schedules take turns in one process: sequential; the matcher beside the network of the same
pair, as in the pipeline; the matcher of the next pair beside the network of this one, which the
node does not do. Age is from the start of a pair to its labels, mask and disparity, with pairs
processed as fast as possible.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import time

from live_node import rendered_pairs, report
import numpy as np
import torch

from ldn_perception.build import build_decoder, build_perception
from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import PerceptionConfig
from ldn_perception.decoding.decoder import Decoder, OodRule
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.inference.engine import Engine
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.types import DisparityMap, Quantity, StereoFrame

QUANTITIES = Quantity.OOD_MASK | Quantity.DISPARITY

Way = Callable[[list[StereoFrame]], list[tuple[float, float]]]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--turns', type=int, default=20, help='of four pairs each')
    parser.add_argument('--engines', nargs='+', default=['torch', 'openvino'])
    parser.add_argument('--matchers', nargs='+', default=['sgbm'])
    options = parser.parse_args()
    keep_freed_memory()
    frames = rendered_pairs(1226, 370)
    ways = {
        f'{matcher}, {engine}: {way}': run
        for matcher in options.matchers for engine in options.engines
        for way, run in build_ways(matcher, engine).items()
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(1 + options.turns):
        for name, run in ways.items():
            times = run(frames)
            if turn:
                measured[name] += times
    report('overlap', {
        'pairs of each': 4 * options.turns,
        'a pair': {name: summary(times) for name, times in measured.items()},
    })


def build_ways(matcher_name: str, engine_name: str) -> dict[str, Way]:
    """Build the three schedules with one matcher and one engine."""
    config = PerceptionConfig.from_values({
        'inference.device': 'cpu', 'inference.engine': engine_name,
        'stereo.matcher': matcher_name})
    perception = build_perception(config)
    engine, rule = perception.pipeline.engine, perception.pipeline.rule
    matcher = build_matcher(config.stereo, config.inference)
    decoder = build_decoder(perception.taxonomy, perception.device, config)

    def through(matches_beside: bool) -> Way:
        pipeline = StereoSegmentationPipeline(
            matcher, engine, decoder, rule, matches_beside=matches_beside)
        return lambda frames: one_by_one(pipeline, frames)

    beside_last = TwoStages(matcher, engine, decoder, rule)
    return {
        'one after the other': through(False), 'beside the network': through(True),
        'beside that of the pair before': beside_last.run,
    }


def one_by_one(
    pipeline: StereoSegmentationPipeline, frames: list[StereoFrame],
) -> list[tuple[float, float]]:
    """Time between results and age of each [s]; they are equal in this schedule."""
    times = []
    for frame in frames:
        started = time.perf_counter()
        pipeline.process(frame, QUANTITIES)
        times.append(2 * (time.perf_counter() - started,))
    return times


class TwoStages:
    """Two-stage schedule: the matcher processes the next pair while the network processes one."""

    def __init__(
        self, matcher: Matcher, engine: Engine, decoder: Decoder, rule: OodRule,
    ) -> None:
        self._matcher, self._engine, self._decoder, self._rule = matcher, engine, decoder, rule
        self._stage = ThreadPoolExecutor(1, 'disparity')

    def run(self, frames: list[StereoFrame]) -> list[tuple[float, float]]:
        """Time between results and age of each but the first, for one pass over the pairs [s]."""
        following, began = self._begin(frames[0])
        finished, times = 0.0, []
        for number, frame in enumerate([*frames, frames[0]]):
            following.result()
            begins = began
            following, began = self._begin(frames[(number + 1) % len(frames)])
            logits = self._engine.run(torch.from_numpy(frame.left))
            self._decoder.decode(logits, frame.left, self._rule, QUANTITIES)
            last, finished = finished, time.perf_counter()
            times.append((finished - last, finished - begins))
        following.result()
        return times[1:]

    def _begin(self, frame: StereoFrame) -> tuple[Future[DisparityMap], float]:
        return self._stage.submit(self._matcher.match, frame), time.perf_counter()


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Minimum and median of both times [ms]."""
    periods_ms, ages_ms = 1e3 * np.array(times).T
    return {
        'period min': float(periods_ms.min()), 'median': float(np.median(periods_ms)),
        'age min': float(ages_ms.min()), 'age median': float(np.median(ages_ms)),
    }


if __name__ == '__main__':
    main()
