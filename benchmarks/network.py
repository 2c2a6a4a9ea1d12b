# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine in every precision: the network alone, and an image to its labels.

All are timed in turn in one process, as ratios to plain eager float32. The label difference is the
share of pixels of all images that differ from eager float32. The peak is that of matrix products
in the same turns. Without images, a rendered one is used.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from engines import (
    USUAL_ENGINES,
    EngineMaker,
    PlainEager,
    StartedEngine,
    load_network,
    parse_size,
)
from interleaved import Times, as_rows, interleaved
from live_node import report
from matrix_peak import MatrixPeak
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.build import build_decoder
from ldn_perception.config import ModelConfig, PerceptionConfig
from ldn_perception.decoding.decoder import Decoder, OodRule
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.inference.calibration import CalibrationImages
from ldn_perception.inference.deployed_network import ImageSize
from ldn_perception.inference.engine import Engine
from ldn_perception.models.registry import count_multiply_adds
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import Quantity

PLAIN = 'plain eager float32'
REFERENCE = 'torch float32'


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--size', type=parse_size, default='1248x384', metavar='WxH')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--engines', nargs='+', help='torch and others; default: the usual ones')
    parser.add_argument('--model', default='ldn121_64_4')
    parser.add_argument('--taxonomy', default='universal')
    parser.add_argument('--weights', default='shipped', help='see model.weights')
    parser.add_argument('--images', type=Path, nargs='*', default=[], metavar='FILE',
                        help='images to compare labels on; the first is the one for the times')
    parser.add_argument('--calibration-images', type=Path, metavar='FOLDER',
                        help='images for int8; default: no int8')
    options = parser.parse_args()
    keep_freed_memory()
    device, size = torch.device(options.device), options.size
    model, normalisation = load_network(
        ModelConfig(options.model, options.taxonomy, options.weights))
    images = read_images(options.images, size)
    decoder = build_decoder(TAXONOMIES[options.taxonomy], device, PerceptionConfig())
    calibration = options.calibration_images and CalibrationImages(options.calibration_images)
    with TemporaryDirectory() as folder:
        maker = EngineMaker(model, normalisation, size, device, Path(folder), calibration)
        prepared = maker.make_all(options.engines or USUAL_ENGINES[device.type])
        plain, peak = PlainEager(model, normalisation, device), MatrixPeak(device)
        alone = {
            PLAIN: partial(plain.logits, plain.normalise(images[0])),
            **{title: partial(each.engine.run, torch.from_numpy(images[0]))
               for title, each in prepared.items()},
        }
        to_labels = {
            PLAIN: partial(plain.labels, images[0]),
            **{title: partial(labels, each.engine, decoder, images[0])
               for title, each in prepared.items()},
        }
        times = take_turns({'alone': alone, 'labels': to_labels, 'peak': peak.calls},
                           options.runs)
        multiply_adds = count_multiply_adds(model, size.height_px, size.width_px)
        peaks = peak.giga_per_second(times['peak'])
        report(f'network_{options.device}_{size}', {
            'image': str(size), 'network': options.model, 'classes': options.taxonomy,
            'device': torch.cuda.get_device_name() if device.type == 'cuda' else 'cpu',
            'multiply-adds [G]': multiply_adds / 1e9,
            **{f'matrix peak, {name} [GFLOP/s]': value for name, value in peaks.items()},
            'network alone': with_share(times['alone'], multiply_adds, peaks),
            'image to labels': as_rows(times['labels']),
            'engines': describe(prepared, decoder, images),
        })


def take_turns(calls: dict[str, dict[str, partial]], runs: int) -> dict[str, dict[str, Times]]:
    """Time several groups of calls in turn."""
    together = interleaved(
        {(group, name): call for group, members in calls.items()
         for name, call in members.items()}, runs)
    return {
        group: {name: together[group, name] for name in members}
        for group, members in calls.items()
    }


def read_images(paths: list[Path], size: ImageSize) -> list[NDArray[np.uint8]]:
    """Read RGB images resized to one size; render one if there are no paths."""
    if not paths:
        return [SyntheticDrive(0, 8, *size)[4].frame.left]
    return [
        np.ascontiguousarray(cv2.resize(cv2.imread(str(path)), size)[..., ::-1])
        for path in paths
    ]


def labels(engine: Engine, decoder: Decoder, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute the labels of an image."""
    logits = engine.run(torch.from_numpy(image))
    return decoder.decode(logits, image, OodRule(), Quantity.NOTHING).labels


def with_share(
    times: dict[str, Times], multiply_adds: int, peaks: dict[str, float],
) -> dict[str, dict[str, float]]:
    """Rows of times, with the share of the peak of their precision."""
    rows = as_rows(times)
    for title, row in rows.items():
        giga_per_second = 2 * multiply_adds / row['min ms'] / 1e6
        precision = title.rpartition(' ')[2]
        if precision in peaks:
            row['% of peak'] = 100 * giga_per_second / peaks[precision]
    return rows


def describe(
    prepared: dict[str, StartedEngine], decoder: Decoder, images: list[NDArray[np.uint8]],
) -> dict[str, dict[str, float]]:
    """Start-up time of each engine, and its label agreement with eager float32."""
    found = {
        title: np.stack([labels(each.engine, decoder, image) for image in images])
        for title, each in prepared.items()
    }
    return {
        title: {
            'export s': each.export_s, 'start s': each.start_s,
            **({'labels differ %': 100 * float(np.mean(found[title] != found[REFERENCE]))}
               if REFERENCE in found else {}),
        }
        for title, each in prepared.items()
    }


if __name__ == '__main__':
    main()
