# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""LDN121 64 -> 4 beside other published networks in the same run: eager float32 and engines.

All networks have 19 classes and random weights and return logits at image resolution, as the peers
do. A second row of LDN121 leaves the upsampling to the decoder, as in the node. Peers are the
networks of torchvision, if installed, and the public code of the authors
(https://github.com/ivankreso/LDN), if --authors names a checkout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import partial
import importlib
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from io import StringIO
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from engines import EngineMaker, PlainEager, parse_size
from interleaved import Times, as_rows, interleaved
from live_node import report
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldn_perception.errors import ModelError
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.models.registry import build_model, count_multiply_adds, count_parameters
from ldn_perception.models.resnet import import_torchvision_models
from ldn_perception.models.segmentation_model import (
    IMAGENET,
    SegmentationModel,
    SegmentationOutput,
)

NUM_CLASSES = 19
TORCHVISION = ('deeplabv3_resnet50', 'fcn_resnet50', 'lraspp_mobilenet_v3_large')
EAGER = 'eager float32'


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--size', type=parse_size, default='1248x384', metavar='WxH')
    parser.add_argument('--model', default='ldn121_64_4')
    parser.add_argument('--engines', nargs='*', default=['openvino'])
    parser.add_argument('--precision', default='bfloat16', help='of the engines')
    parser.add_argument('--authors', type=Path, help="checkout of the authors' LDN")
    options = parser.parse_args()
    keep_freed_memory()
    size, device = options.size, torch.device('cpu')
    image = np.random.default_rng(0).integers(
        0, 256, (size.height_px, size.width_px, 3), np.uint8)
    networks = dict(find_networks(options.model, options.authors))
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    with TemporaryDirectory() as folder:
        for name, network in networks.items():
            plain = PlainEager(network, IMAGENET, device)
            calls[name, EAGER] = partial(plain.logits, plain.normalise(image))
            maker = EngineMaker(network, IMAGENET, size, device, Path(folder))
            for title, each in maker.make_all(options.engines, [options.precision]).items():
                calls[name, title] = partial(each.engine.run, torch.from_numpy(image))
        times = interleaved(calls, options.runs)
    report('peers', {'image': str(size), 'size': {
        name: {
            'parameters M': count_parameters(network) / 1e6,
            'multiply-adds G': count_multiply_adds(network, size.height_px, size.width_px) / 1e9,
        }
        for name, network in networks.items()
    }, **as_tables(times)})


def as_tables(times: Mapping[tuple[str, str], Times]) -> dict[str, dict[str, dict[str, float]]]:
    """One table per engine: ratios to our network in it, and to eager mode of the same network."""
    tables = {}
    for title in dict.fromkeys(title for _, title in times):
        rows = as_rows({name: each for (name, engine), each in times.items() if engine == title})
        for name, row in rows.items():
            row['x eager by min'] = times[name, EAGER].min_ms / row['min ms']
        tables[title] = rows
    return tables


def find_networks(model: str, authors: Path | None) -> Iterator[tuple[str, SegmentationModel]]:
    """Yield names and networks in evaluation mode; report those that are not available."""
    own = build_model(model, NUM_CLASSES).eval()
    yield model, Peer(own, lambda output: output.logits)
    yield f'{model}, not upsampled', own
    if authors is not None:
        yield "the authors' LDN121", Peer(build_authors_network(authors), lambda output: output[0])
    else:
        print("left out: the authors' LDN: --authors names no checkout")
    try:
        segmentation = import_torchvision_models().segmentation
    except ModelError as error:
        print(f'left out: {", ".join(TORCHVISION)}: {error}')
        return
    for name in TORCHVISION:
        network = segmentation.__dict__[name](
            weights=None, weights_backbone=None, num_classes=NUM_CLASSES)
        yield name, Peer(network, lambda output: output['out'])


class Peer(SegmentationModel):
    """Third-party network as a SegmentationModel, with logits at image resolution.

    Args:
        network: Network that takes a normalised image.
        find_logits: Extracts the logits from its output.
    """

    def __init__(self, network: nn.Module, find_logits: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self.num_classes, self.stride, self.uses_disparity = NUM_CLASSES, 1, False
        self._find_logits = find_logits
        self.eval()

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute the logits of a batch of images; see SegmentationModel."""
        logits = self._find_logits(self.network(image))
        if logits.shape[-2:] != image.shape[-2:]:
            logits = F.interpolate(
                logits, image.shape[-2:], mode='bilinear', align_corners=False)
        return SegmentationOutput(logits, ())


def build_authors_network(checkout: Path) -> nn.Module:
    """Build the network of the authors' code, of depth 121, without weights.

    Other requirements of their evaluation, compiled code and a progress bar, are stubbed out.
    """
    sys.path.insert(0, str(checkout))
    absent = {name: module_from_spec(ModuleSpec(name, None)) for name in (
        'tqdm', 'libs', 'libs.cylib')}
    absent['tqdm'].tqdm = iter
    absent['libs'].cylib = absent['libs.cylib']
    for name, module in absent.items():
        sys.modules.setdefault(name, module)
    code = importlib.import_module('models.ldn_semseg')
    code.imagenet_init = True  # the variant for ImageNet initialisation, without the weights
    with redirect_stdout(StringIO()):  # it prints its layers
        return code.DenseNet(
            dataset=SimpleNamespace(
                batchnorm_momentum=0.05, num_classes=NUM_CLASSES, num_logits=NUM_CLASSES),
            args=SimpleNamespace(checkpointing=0, aux_loss=0, pretrained=0))


if __name__ == '__main__':
    main()
