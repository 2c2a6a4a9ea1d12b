# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory by image size and by number of classes, with untrained networks.

Engines take turns in one process for the times of the network and of decoding labels and mask. For
the memory, each engine runs in a separate process that loads an earlier export. The peak is the
largest resident memory; the memory at rest is that before the network is loaded.
"""

from __future__ import annotations

import argparse
from functools import partial
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

from checkpointing import status_mb
from engines import EngineMaker, parse_size
from interleaved import Times, interleaved
from live_node import report
import torch

from ldn_perception.build import build_decoder
from ldn_perception.config import PerceptionConfig
from ldn_perception.decoding.decoder import OodRule
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.inference.deployed_network import ImageSize
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import IMAGENET
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import Quantity

SIZES = ('704x352', '1024x512', '1408x704', '2048x1024', '2816x1408')
"""0.25, 0.5, 1, 2 and 4 megapixels; sides are multiples of 32."""

USUAL_SIZE = '1408x704'
USUAL_CLASSES = 'cityscapes'
CLASSES = ('camvid', 'cityscapes', 'universal', 'mapillary')
"""Taxonomies with 11, 19, 29 and 65 classes."""


def main() -> None:
    """Measure everything, or the memory of one engine in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--model', default='ldn121_64_4')
    parser.add_argument('--engines', nargs='+', default=['torch', 'openvino'])
    parser.add_argument('--precisions', nargs='+', default=['bfloat16'])
    parser.add_argument('--sizes', nargs='*', default=SIZES, metavar='WxH')
    parser.add_argument('--classes', nargs='*', default=CLASSES, metavar='TAXONOMY')
    parser.add_argument('--memory-of', nargs=5, help=argparse.SUPPRESS,
                        metavar=('ENGINE', 'PRECISION', 'SIZE', 'TAXONOMY', 'FOLDER'))
    options = parser.parse_args()
    keep_freed_memory()
    if options.memory_of:
        print(json.dumps(memory(options.model, *options.memory_of)))
        return
    by_size = [(size, USUAL_CLASSES) for size in options.sizes]
    by_classes = [(USUAL_SIZE, taxonomy) for taxonomy in options.classes]
    rows: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    with TemporaryDirectory() as folder:
        for case in dict.fromkeys((*by_size, *by_classes)):
            rows[case] = measure(options, *case, Path(folder))
    report('scaling', {
        'network': options.model,
        'by size': flatten({size: rows[size, taxonomy] for size, taxonomy in by_size}),
        'by classes': flatten({
            f'{len(TAXONOMIES[taxonomy])} classes': rows[size, taxonomy]
            for size, taxonomy in by_classes}),
    })


def measure(
    options: argparse.Namespace, size: str, taxonomy: str, folder: Path,
) -> dict[str, dict[str, float]]:
    """One row of times and memory per engine."""
    times = measure_times(options, parse_size(size), taxonomy, folder)
    rows = {}
    for title, (network, decoding) in times.items():
        command = [sys.executable, __file__, '--model', options.model,
                   '--memory-of', *title.split(), size, taxonomy, str(folder)]
        finished = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        rows[title] = {
            'network ms': network.median_ms, 'min ms': network.min_ms,
            'decode ms': decoding.median_ms,
            'ms a MPx': network.min_ms / (parse_size(size).width_px * parse_size(size).height_px)
            * 1e6,
            **json.loads(finished.stdout),
        }
    return rows


def measure_times(
    options: argparse.Namespace, size: ImageSize, taxonomy: str, folder: Path,
) -> dict[str, tuple[Times, Times]]:
    """Times of the network and of decoding, by engine."""
    image = SyntheticDrive(0, 8, *size)[4].frame.left
    decoder = build_decoder(TAXONOMIES[taxonomy], torch.device('cpu'), PerceptionConfig())
    maker = build_maker(options.model, size, taxonomy, folder)
    prepared = maker.make_all(options.engines, options.precisions)
    calls = {}
    for title, each in prepared.items():
        logits = each.engine.run(torch.from_numpy(image))
        calls[title, 'network'] = partial(each.engine.run, torch.from_numpy(image))
        calls[title, 'decode'] = partial(
            decoder.decode, logits, image, OodRule(), Quantity.OOD_MASK)
    times = interleaved(calls, options.runs)
    return {title: (times[title, 'network'], times[title, 'decode']) for title in prepared}


def memory(
    model: str, engine: str, precision: str, size: str, taxonomy: str, folder: str,
) -> dict[str, float]:
    """Resident memory of this process at rest, before the network is loaded, and at its peak."""
    rest_mb = status_mb('VmRSS')
    maker = build_maker(model, parse_size(size), taxonomy, Path(folder))
    running = maker.make(engine, precision).engine
    width, height = parse_size(size)
    for _ in range(2):
        running.run(torch.zeros(height, width, 3, dtype=torch.uint8))
    return {'rest MB': rest_mb, 'peak MB': status_mb('VmHWM')}


def build_maker(model: str, size: ImageSize, taxonomy: str, folder: Path) -> EngineMaker:
    """Build an EngineMaker for an untrained network."""
    network = build_model(model, len(TAXONOMIES[taxonomy])).eval()
    return EngineMaker(network, IMAGENET, size, torch.device('cpu'), folder)


def flatten(
    cases: dict[str, dict[str, dict[str, float]]],
) -> dict[str, dict[str, float]]:
    """One row per case and engine."""
    return {
        f'{case}, {title}': row for case, rows in cases.items() for title, row in rows.items()
    }


if __name__ == '__main__':
    main()
