# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The fused decoder against plain tensor operations, one after the other in one process."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
import time

from live_node import report
import numpy as np
import torch

from ldn_perception.frames import Quantity
from ldn_perception.segmentation.decoder import OodRule
from ldn_perception.segmentation.fused_decoder import FusedDecoder
from ldn_perception.segmentation.torch_decoder import TorchDecoder
from ldn_perception.taxonomy import TAXONOMIES


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--width', type=int, default=1226)
    parser.add_argument('--height', type=int, default=370)
    options = parser.parse_args()
    image = np.zeros((options.height, options.width, 3), np.uint8)
    figures: dict[str, object] = {'image': f'{options.width}x{options.height}'}
    for taxonomy in TAXONOMIES.values():
        logits = 3 * torch.randn(1, len(taxonomy), options.height // 4, options.width // 4)
        decoders = {
            'torch': TorchDecoder(taxonomy),
            'fused': FusedDecoder(taxonomy, os.cpu_count() or 1),
        }
        for wanted in (Quantity.NOTHING, Quantity.OOD_MASK, Quantity.ALL):
            medians = interleaved({
                name: lambda decoder=decoder, wanted=wanted, logits=logits:
                decoder.decode(logits, image, OodRule(), wanted)
                for name, decoder in decoders.items()
            }, options.runs)
            title = f'{len(taxonomy)} classes, {wanted.name}'
            figures[f'{title}: fused [ms]'] = medians['fused']
            figures[f'{title}: torch / fused'] = medians['torch'] / medians['fused']
    report('decode', figures)


def interleaved(calls: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median milliseconds of each call, the calls taking turns; the first turn is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) * 1e3)
    return {name: float(np.median(values[1:])) for name, values in times.items()}


if __name__ == '__main__':
    main()
