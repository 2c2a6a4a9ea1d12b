# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn evaluate`: score trained weights on a dataset, with pictures of the best and worst images.

OUTPUT becomes a folder with scores.json, index.html and the pictures. Engines other than torch
export the network for each image size first: give --size if sizes differ.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ldn_perception.build import find_weights_file
from ldn_perception.cli import options
from ldn_perception.cli.evaluation_report import Extremes, percent, tables, to_json, write_page
from ldn_perception.cli.evaluation_run import Evaluation, add_dataset_arguments, open_samples
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.trained_model import TrainedModel, add_model_arguments, load_trained_model
from ldn_perception.evaluation.figures import draw_confusion, draw_ood_curves, draw_reliability
from ldn_perception.metrics.ood_report import COMPONENT_TRACKS, OodReport, ScoreFiles

EXAMPLE = 'ldn evaluate --weights ldn121_road --data camvid --dataset camvid --split test'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    options.add_weights(parser, required=True)
    add_dataset_arguments(parser)
    add_model_arguments(parser)
    options.add_limit(parser)
    options.add_pictures(parser, default=6)
    options.add_output(parser, 'build/evaluation')
    parser.add_argument(
        '--multi-scale', action='store_true', help='average five scales and their mirror images')
    parser.add_argument(
        '--track', choices=tuple(COMPONENT_TRACKS), default='anomaly', metavar='NAME',
        help=f'{" or ".join(COMPONENT_TRACKS)}: smallest objects that count in the component '
        'scores')
    parser.add_argument(
        '--smoothing', type=float, default=1.0, metavar='SHARE',
        help='share of the newest frame in the foreign scores averaged over a drive; 1: none')


def run(given: argparse.Namespace) -> int:
    """Run the network over the dataset, score and draw."""
    console = Console()
    output: Path = given.output
    make_output_folder(output)
    samples = open_samples(given)
    model = load_trained_model(
        find_weights_file(given.weights), given, multi_scale=given.multi_scale)
    pictures = output / 'pictures'
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob('*.png'):
        old.unlink()

    with ScoreFiles() as files:
        evaluation = Evaluation(model, samples, files, given.smoothing)
        extremes = Extremes(
            given.pictures, evaluation.shown_taxonomy, evaluation.merit_meaning)
        with Progress(console=console) as progress:
            for sample in progress.track(samples, len(samples), description='evaluating'):
                extremes.offer(sample, evaluation.add(sample))
        reports = evaluation.ood_reports(COMPONENT_TRACKS[given.track])

    scores = {**_settings(given, model, len(samples)), **to_json(evaluation, reports)}
    (output / 'scores.json').write_text(json.dumps(scores, indent=2) + '\n')
    _draw(pictures, f'{model.header.model_name} on {given.dataset}', evaluation, reports)
    extremes.write(pictures)
    write_page(output, scores)
    for table in tables(scores):
        console.print(table)
    console.print(
        f'scores: {output / "scores.json"}   report: {output / "index.html"}', soft_wrap=True)
    return 0


def _settings(
    given: argparse.Namespace, model: TrainedModel, images: int
) -> dict[str, Any]:
    """Settings of the run, which make a file of scores self-describing."""
    return {
        'weights': str(given.weights),
        'model': model.header.model_name,
        'taxonomy': model.taxonomy.name,
        'dataset': given.dataset,
        'data': str(given.data),
        'split': given.split,
        'images': images,
        'device': str(model.engine.device),
        'engine': given.engine,
        'precision': given.precision,
        'multi_scale': given.multi_scale,
        'input_size': given.size,
        'smoothing': given.smoothing,
        'track': given.track,
        'threshold': model.ood_threshold,
    }


def _draw(
    folder: Path, title: str, evaluation: Evaluation, reports: dict[str, OodReport],
) -> None:
    if evaluation.segmentation is not None:
        confusion = evaluation.segmentation.confusion
        names = evaluation.shown_taxonomy.class_names[:confusion.num_classes]
        calibration = evaluation.segmentation.calibration
        draw_confusion(folder / 'confusion.png', confusion.counts, names, title)
        draw_reliability(
            folder / 'reliability.png', calibration.bins, calibration.value, title)
    if reports:
        draw_ood_curves(
            folder / 'ood_curves.png',
            {name: report.curve for name, report in reports.items()},
            {name: f'{name}: AP {percent(report.pixels.average_precision)}, '
                   f'FPR95 {percent(report.pixels.fpr95)}'
             for name, report in reports.items()},
            title)
