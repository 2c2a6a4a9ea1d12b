# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights calibrate-ood`: calibrate and store the OOD threshold for a false positive rate.

Without --output the file itself is replaced.
"""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
import torch

from ldn_perception.cli import options
from ldn_perception.cli.evaluation_run import Samples, add_dataset_arguments, open_samples
from ldn_perception.cli.given_weights import add_changed_weights, find_changed_weights
from ldn_perception.cli.trained_model import TrainedModel, add_model_arguments, load_trained_model
from ldn_perception.errors import ConfigError
from ldn_perception.metrics.foreign_scores import ForeignThreshold, foreign_probability
from ldn_perception.models.weights import store_ood_threshold

EXAMPLE = (
    'ldn weights calibrate-ood trained.safetensors --data camvid --dataset camvid --split val '
    '--fpr 0.05 --output calibrated.safetensors')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    add_changed_weights(parser)
    add_dataset_arguments(parser)
    add_model_arguments(parser)
    options.add_limit(parser)
    options.add_output(parser, required=False)
    options.add_overwrite(parser)
    parser.add_argument(
        '--fpr', type=float, default=0.05, metavar='SHARE',
        help='target share of the in-distribution pixels above the threshold')


def run(given: argparse.Namespace) -> int:
    """Measure, store and print the threshold."""
    if not 0 < given.fpr < 1:
        raise ConfigError(
            '--fpr', must_be='above 0 and below 1', got=given.fpr, do='ask for 0.05')
    console = Console()
    source, output = find_changed_weights(given)
    samples = open_samples(given)
    model = load_trained_model(source, given)
    if model.taxonomy.num_driving == len(model.taxonomy):
        raise ConfigError(
            f'weights file {source}', must_be='of a network with foreign classes',
            got=f'one of taxonomy {model.taxonomy.name}, which has none',
            do='train with foreign images')
    measured, above_before = _measure(model, samples, console)
    threshold, above = measured.at(given.fpr)
    store_ood_threshold(source, output, threshold, {
        'dataset': given.dataset, 'split': given.split, 'images': len(samples),
        'pixels': measured.pixels, 'wanted_fpr': given.fpr, 'fpr': above,
        'input_size': given.size,
    })
    before = (model.ood_threshold, above_before / measured.pixels)
    console.print(_table(before, (threshold, above), measured.pixels))
    console.print(f'stored in {output}', soft_wrap=True)
    return 0


def _measure(
    model: TrainedModel, samples: Samples, console: Console
) -> tuple[ForeignThreshold, int]:
    """Measure the in-distribution pixels, and count those above the old threshold."""
    measured, above_before = ForeignThreshold(), 0
    with Progress(console=console) as progress:
        for sample in progress.track(samples, len(samples), description='measuring'):
            with torch.inference_mode():
                logits = model.logits(sample.image, sample.pixels_per_metre)
                foreign = foreign_probability(logits, model.taxonomy.num_driving)
            known = foreign.cpu().numpy()[sample.truth.known]
            measured.accumulate(known)
            above_before += int((known > model.ood_threshold).sum())
    return measured, above_before


def _table(before: Any, after: Any, pixels: int) -> Table:
    table = Table(title=f'{pixels:,} in-distribution pixels', title_justify='left')
    for heading in ('', 'threshold', 'pixels above it'):
        table.add_column(heading, justify='right')
    for name, (threshold, share) in (('before', before), ('after', after)):
        table.add_row(name, f'{threshold:.6g}', f'{100 * share:.3f} %')
    return table
