# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A pair to labels, mask and disparity, in this process and through the node over DDS.

In this process all engines take turns. Then one engine, the fastest unless named, also runs in the
node: pairs alternate between this process and the node, so the overhead of the node is the
difference of their medians. Finally, pairs are sent faster than the node can process them, to
measure its rate. --set changes options of both. Exported networks stay in the user's cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path
import time
from typing import Any

from interleaved import Times, as_rows, interleaved
from live_node import LiveNode, rendered_pairs, report
import numpy as np

from ldn_perception.build import Perception, build_perception
from ldn_perception.config import PerceptionConfig, parse_assignments
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.types import Quantity, StereoFrame

QUANTITIES = Quantity.OOD_MASK | Quantity.DISPARITY
HEARD = ('labels', 'ood_mask', 'disparity')


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--images', type=Path, help='folder of pairs; default: rendered ones')
    parser.add_argument('--pairs', type=int, default=8, help='pairs of it that are used')
    parser.add_argument('--engines', nargs='+', default=['torch', 'openvino'])
    parser.add_argument('--precisions', nargs='+', default=['float32', 'bfloat16'])
    parser.add_argument('--node', default='fastest', metavar='ENGINE_PRECISION',
                        help='what runs in the node, as "openvino bfloat16"; none for no node')
    parser.add_argument('--rate', type=float, default=20.0, help='of pairs for the node [Hz]')
    parser.add_argument('--seconds', type=float, default=10.0, help='that they come')
    parser.add_argument('--device', default='cpu', choices=('auto', 'cpu', 'cuda'))
    parser.add_argument('--set', action='append', default=[], dest='parameters',
                        metavar='NAME=VALUE', help='parameter of the node')
    options = parser.parse_args()
    keep_freed_memory()
    frames = read_frames(options.images, options.pairs)
    chosen = chosen_values(options)
    candidates = {
        title: Candidate(build_perception(PerceptionConfig.from_values(values)), frames)
        for title, values in chosen.items()
    }
    times = interleaved(
        {title: candidate.process_next for title, candidate in candidates.items()}, options.runs)
    fastest = min(times, key=lambda title: times[title].median_ms)
    in_node = fastest if options.node == 'fastest' else options.node
    report('end_to_end', {
        'image': f'{frames[0].geometry.width}x{frames[0].geometry.height}',
        'pairs': str(options.images or 'rendered'),
        'in process': in_process_rows(times, candidates, options.runs),
        **({} if in_node == 'none' else through_node(
            candidates[in_node], chosen[in_node], frames, options)),
    })


def chosen_values(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Map the title of each engine and precision to its option values."""
    return {
        f'{engine} {precision}': {
            'inference.device': options.device, 'inference.engine': engine,
            'inference.precision': precision,
            **parse_assignments(options.parameters, '--set')}
        for engine in options.engines for precision in options.precisions
    }


def read_frames(folder: Path | None, most: int) -> list[StereoFrame]:
    """Read the first pairs of a folder, or render some."""
    if folder is None:
        return rendered_pairs(1226, 370)
    return [sample.frame for sample in islice(ImageFolder(folder), most)]


class Candidate:
    """Pipeline that cycles through some pairs and records the stage times.

    Args:
        perception: The pipeline.
        frames: The pairs.

    Attributes:
        seconds: Stage times of every pair [s].
    """

    def __init__(self, perception: Perception, frames: list[StereoFrame]) -> None:
        self.pipeline = perception.pipeline
        self.seconds: list[Mapping[str, float]] = []
        self._frames = cycle(frames)

    def process_next(self) -> None:
        """Process the next pair."""
        self.seconds.append(self.pipeline.process(next(self._frames), QUANTITIES).seconds)

    def stage_ms(self, newest: int) -> dict[str, float]:
        """Median of each stage over the most recent pairs [ms]."""
        pairs = self.seconds[-newest:]
        return {
            f'{stage} ms': 1e3 * float(np.median([seconds[stage] for seconds in pairs]))
            for stage in pairs[-1]}


def in_process_rows(
    times: Mapping[str, Times], candidates: Mapping[str, Candidate], runs: int,
) -> dict[str, dict[str, object]]:
    """Time of each engine per pair, by stage."""
    return {
        title: {
            **row, 'pairs/s': 1e3 / row['median ms'], **candidates[title].stage_ms(runs),
            'ran': candidates[title].pipeline.engine.description,
        }
        for title, row in as_rows(times).items()
    }


def through_node(
    candidate: Candidate, values: Mapping[str, Any], frames: list[StereoFrame],
    options: argparse.Namespace,
) -> dict[str, object]:
    """Overhead of the node compared with the pipeline, and its rate [pairs/s]."""
    node = LiveNode(HEARD, frames, dict(values))
    node.settle_engine()
    in_process_ms = []
    for _ in range(options.runs):
        started = time.perf_counter()
        candidate.process_next()
        in_process_ms.append((time.perf_counter() - started) * 1e3)
        node.send_one_by_one(1)
    ages_ms = heard_ages_ms(node)
    stages = node.stage_ms()
    first = len(node.results)
    node.send_at(options.rate, round(options.rate * options.seconds))
    results = len(node.results) - first
    node.spin_for(2.5)
    flooded_ms = heard_ages_ms(node)[first:]
    in_process, through = float(np.median(in_process_ms)), float(np.median(ages_ms))
    figures = {
        'engine of the node': node.diagnostics['engine'],
        'in process, in turns with the node, median [ms]': in_process,
        'through the node, stamp to heard, median [ms]': through,
        'node overhead over in-process time [ms]': through - in_process,
        'node overhead over in-process time [%]': 100 * (through / in_process - 1),
        **{f'stage {name} in the node, median [ms]': value for name, value in stages.items()},
        f'results a second of pairs at {options.rate:g} Hz': results / options.seconds,
        'age of these when heard, median [ms]': float(np.median(flooded_ms)),
        'age of these when heard, largest [ms]': max(flooded_ms),
    }
    node.close()
    return figures


def heard_ages_ms(node: LiveNode) -> list[float]:
    """Age of every result on reception, relative to its stamp [ms]."""
    return [(heard - stamp) / 1e6 for stamp, heard in node.results]


if __name__ == '__main__':
    main()
