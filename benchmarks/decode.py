# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The fused decoder compared with plain tensor operations, in turn in one process.

The cost of the fused decoder depends on the logits: with random numbers no cell is decided by its
corners, an untrained network is undecided between driving and foreign classes everywhere, a
trained one is sure of most pixels. Each case is measured separately.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import os
from pathlib import Path

from interleaved import interleaved
from live_node import report
import numpy as np
import torch

from ldn_perception.decoding.decoder import OodRule, TorchDecoder
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import load_weights, read_weights_header
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.taxonomy import CITYSCAPES, ROB2018, TAXONOMIES, Taxonomy
from ldn_perception.types import Quantity

MODEL = 'ldn_small'


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--width', type=int, default=1226)
    parser.add_argument('--height', type=int, default=370)
    parser.add_argument('--weights', type=Path, nargs='*', default=[], metavar='FILE',
                        help='trained networks whose logits to decode too')
    options = parser.parse_args()
    image = SyntheticDrive(0, 8, options.width, options.height)[4].frame.left
    figures: dict[str, object] = {'image': f'{options.width}x{options.height}'}
    num_threads = os.cpu_count() or 1
    for source, taxonomy, logits in all_logits(image, options.weights):
        decoders = {
            'torch': TorchDecoder(taxonomy),
            'fused': FusedDecoder(taxonomy, num_threads),
            'fused, one thread': FusedDecoder(taxonomy, 1),
        }
        for wanted in (Quantity.NOTHING, Quantity.OOD_MASK, Quantity.ALL):
            times = interleaved({
                name: lambda decoder=decoder, wanted=wanted, logits=logits:
                decoder.decode(logits, image, OodRule(), wanted)
                for name, decoder in decoders.items()
            }, options.runs)
            title = f'{len(taxonomy)} classes, {source}, {wanted.name}'
            figures[f'{title}: fused [ms]'] = times['fused'].median_ms
            figures[f'{title}: one thread, its CPU time [ms]'] = min(
                times['fused, one thread'].thread)
            figures[f'{title}: torch / fused'] = (
                times['torch'].median_ms / times['fused'].median_ms)
    report('decode', figures)


def all_logits(
    image: np.ndarray, weights: list[Path],
) -> Iterator[tuple[str, Taxonomy, torch.Tensor]]:
    """Yield name, taxonomy and logits of every case."""
    for taxonomy in (CITYSCAPES, ROB2018):
        num_classes = len(taxonomy)
        untrained = build_model(MODEL, num_classes)
        logits = TorchEngine(untrained, torch.device('cpu')).run(torch.from_numpy(image))
        random = 3 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
        yield 'random', taxonomy, random.contiguous(memory_format=torch.channels_last)
        yield f'untrained {MODEL}', taxonomy, logits
    for file in weights:
        header = read_weights_header(file)
        taxonomy = next(
            known for known in TAXONOMIES.values() if known.class_names == header.class_names)
        model = build_model(header.model_name, len(taxonomy))
        load_weights(file, model, header.model_name, taxonomy.class_names)
        engine = TorchEngine(model, torch.device('cpu'), normalisation=header.normalisation)
        yield f'trained {header.model_name}', taxonomy, engine.run(torch.from_numpy(image))


if __name__ == '__main__':
    main()
