# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The scale-invariant network and its front end, dense and in windows, in turn in one process.

The front end is everything before the classifier: image pyramid, features, multiplexer. Ratios are
to the dense pyramid in eager float32. On a busy machine only the CPU time of a single thread is
reliable: --threads 1. The first share of multiply-adds is that of the windows. The second one
counts only cells within the reach of a selected cell, in every layer: the minimum for the same
result.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
import math
import os
from pathlib import Path
import tempfile

from interleaved import as_rows, interleaved
from live_node import report
import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.kitti import KittiStereoFolder
from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Engine
from ldn_perception.inference.openvino_backend import OpenVinoBackend
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.scale_multiplexer import (
    ScaleMultiplexer,
    level_sizes,
    pad_to_multiple,
    under_centre,
)
from ldn_perception.models.scale_networks import (
    ScaleInvariantNetwork,
    SparsePyramidNetwork,
    share_of_pixels,
)
from ldn_perception.models.vgg import VggFeatures
from ldn_perception.models.weights import load_weights
from ldn_perception.pipeline import pixels_per_metre
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import StereoFrame
from ldn_perception.weights import find_shipped_weights

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}
WIDTHS_M = ((1.0, 4.0, 7.0), (1.0,), (4.0,), (7.0,))


class NoBackEnd(nn.Identity):
    """Identity in place of the classifier, to return the selected features."""

    num_classes = 0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--images', type=Path, help='folder of a KITTI pair; else a rendered one')
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS)[:2],
                        help='the front end of VGG-D takes minutes and 6 GB')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    frame = (KittiStereoFolder(options.images)[0].frame if options.images is not None
             else SyntheticDrive(0, 8, 1242, 375)[4].frame)
    measured = apparent_sizes(frame)
    scenes = {'pair': measured, 'depth unknown': torch.full_like(measured, math.nan)}
    figures: dict[str, object] = {
        'image': f'{frame.geometry.width}x{frame.geometry.height}', 'threads': options.threads,
        'multiply-adds left': shares(measured),
    }
    image = torch.from_numpy(frame.left)
    for title in options.networks:
        engines = build_engines(NETWORKS[title](), image, options.threads)
        for scene, scales in scenes.items():
            figures[f'{title}, {scene}'] = measure(engines, image, scales, options.runs)
    report('scale_pyramid', figures)


def apparent_sizes(frame: StereoFrame) -> Tensor:
    """Pixels per metre of a pair from SGBM, (H, W) float32 [px/m], NaN where unknown."""
    config = PerceptionConfig.from_values({'stereo.matcher': 'sgbm'})
    matcher = build_matcher(config.stereo, config.inference)
    return pixels_per_metre(matcher.match(frame), frame.geometry)


def small_network() -> ScaleInvariantNetwork:
    """Load the small network with its trained weights."""
    network, classes = scale_invariant('scale_invariant_small'), TAXONOMIES['synthetic_drive']
    load_weights(
        find_shipped_weights('scale_invariant_small', classes.name), network,
        'scale_invariant_small', classes.class_names)
    return network


def scale_invariant(name: str) -> ScaleInvariantNetwork:
    """Build an untrained network for 20 classes."""
    network = build_model(name, 20)
    assert isinstance(network, ScaleInvariantNetwork)
    return network


def front_end(network: ScaleInvariantNetwork) -> ScaleInvariantNetwork:
    """Remove the classifier of a network."""
    return ScaleInvariantNetwork(network.extractor, network.multiplexer, NoBackEnd())


NETWORKS: dict[str, Callable[[], ScaleInvariantNetwork]] = {
    'small network': small_network,
    'small front end': lambda: front_end(small_network()),
    'VGG-D front end': lambda: front_end(scale_invariant('scale_invariant')),
}
"""Name -> builder of a network to measure."""


def build_engines(
    network: ScaleInvariantNetwork, image: Tensor, num_threads: int,
) -> dict[str, Engine]:
    """Engines by name; those of OpenVINO if it is installed."""
    cpu = torch.device('cpu')
    engines: dict[str, Engine] = {
        f'{form}, torch, {name}': TorchEngine(model, cpu, precision)
        for (name, precision), (form, model) in product(PRECISIONS.items(), (
            ('dense', network), ('windows', SparsePyramidNetwork(network, largest_share=1.0))))
    }
    try:
        backends = [OpenVinoBackend(each, num_threads) for each in PRECISIONS.values()]
    except InferenceError as error:
        print(error)
        return engines
    deployed, size = DeployedNetwork(network), ImageSize(image.shape[1], image.shape[0])
    with tempfile.TemporaryDirectory() as folder:
        backends[0].export(deployed, size, Path(folder))
        for name, backend in zip(PRECISIONS, backends, strict=True):
            engines[f'dense, openvino, {name}'] = backend.load(deployed, size, Path(folder))
    return engines


def measure(
    engines: dict[str, Engine], image: Tensor, scales: Tensor, runs: int,
) -> dict[str, dict[str, float]]:
    """Times of all engines, and their largest difference from the first, relative to its peak."""
    expected = next(iter(engines.values())).run(image, scales)
    largest = float(expected.abs().max())
    errors = {
        name: float((engine.run(image, scales) - expected).abs().max()) / largest
        for name, engine in engines.items()
    }
    times = interleaved(
        {name: lambda engine=engine: engine.run(image, scales)
         for name, engine in engines.items()}, runs, warm_up_runs=0)
    rows = as_rows(times)
    first = min(next(iter(times.values())).process)
    for name, error in errors.items():
        rows[name]['min CPU ms'] = min(times[name].process)
        rows[name]['x by CPU'] = first / min(times[name].process)
        rows[name]['off [1e-6]'] = round(error * 1e6)
    return rows


def shares(sizes_px: Tensor) -> dict[str, dict[str, float]]:
    """Remaining share of the dense pyramid's multiply-adds, for several reference widths."""
    extractor = VggFeatures()
    padded = pad_to_multiple(sizes_px[None, None], extractor.size_multiple)[:, 0]
    rows = {}
    for widths_m in WIDTHS_M:
        multiplexer = ScaleMultiplexer(reference_widths_m=widths_m)
        network = ScaleInvariantNetwork(extractor, multiplexer, NoBackEnd())
        sizes = level_sizes(
            *padded.shape[-2:], levels=range(multiplexer.num_levels),
            factor=multiplexer.pyramid_factor, multiple=extractor.size_multiple)
        windows = SparsePyramidNetwork(network).selected_windows(padded)
        left = [cell_by_cell(extractor, multiplexer.route_cells(padded) == number, size)
                for number, size in enumerate(sizes)]
        rows[f'reference widths {widths_m} m'] = {
            'windows': share_of_pixels(windows, sizes),
            'cell by cell': sum(needed for needed, _ in left) / sum(whole for _, whole in left),
        }
    return rows


def cell_by_cell(
    extractor: VggFeatures, selected: Tensor, size: tuple[int, int],
) -> tuple[float, float]:
    """Multiply-adds of the cells of one level within reach of a selected cell, and of all cells.

    Args:
        extractor: The feature extractor.
        selected: (1, M, h, w) bool, cells of the first level that select this one.
        size: Height and width of the level [px].
    """
    height, width = (side // extractor.stride for side in size)
    rows, columns = selected.any(1)[0].nonzero().unbind(1)
    pool3 = torch.zeros(1, 1, height, width)
    pool3[..., under_centre(rows, selected.shape[2], height),
          under_centre(columns, selected.shape[3], width)] = 1
    seen, needed, whole = F.max_pool2d(pool3, 2), 0.0, 0.0
    for number, group in reversed(list(enumerate(extractor.groups, 1))):
        if number == 3:
            seen = torch.maximum(seen, pool3)
        if number < 5:
            seen = F.interpolate(seen, scale_factor=2.0)
        for layer in reversed(list(group)):
            if isinstance(layer, nn.Conv2d):
                needed += float(seen.sum()) * layer.weight.numel()
                whole += seen.numel() * layer.weight.numel()
                seen = F.max_pool2d(seen, 3, stride=1, padding=1)
    return needed, whole


if __name__ == '__main__':
    main()
