# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline on a GPU, by stage and as a whole, all engines in turn in one process.

Times are between two CUDA events around the work, with nothing else queued. 'Network' is from the
image on the GPU to the logits on the GPU. 'Labels' is from the image on the host to labels and
mask on the host. 'Pair' adds the disparity, computed on the GPU and downloaded. Pairs are
processed one after another, without overlap.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from engines import USUAL_ENGINES, EngineMaker, load_network, parse_size
from interleaved import Times, as_rows
from live_node import rendered_pairs, report
import torch

from ldn_perception.build import build_decoder
from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import ModelConfig, PerceptionConfig
from ldn_perception.decoding.decoder import Decoder, OodRule, TorchDecoder
from ldn_perception.inference.deployed_network import ImageSize
from ldn_perception.inference.engine import Engine
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import Quantity, Segmentation, StereoFrame

Calls = dict[str, Callable[[], object]]
_WARM_UP_RUNS = 3


def main() -> None:
    """Run the benchmark if there is a GPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=50)
    parser.add_argument('--sizes', type=parse_size, nargs='+', metavar='WxH',
                        default=[ImageSize(1226, 370), ImageSize(2048, 1024)])
    parser.add_argument('--engines', nargs='+', default=USUAL_ENGINES['cuda'])
    parser.add_argument('--precisions', nargs='+', default=['float32', 'bfloat16'])
    parser.add_argument('--disparities', type=int, default=128)
    parser.add_argument('--model', default='ldn121_64_4')
    parser.add_argument('--taxonomy', default='universal')
    parser.add_argument('--weights', default='shipped', help='see model.weights')
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print('not measured: no GPU')
        return
    for size in options.sizes:
        with TemporaryDirectory() as folder:
            report(f'gpu_pipeline_{size}', measure(
                size, options, torch.device('cuda'), Path(folder)))


def measure(
    size: ImageSize, options: argparse.Namespace, device: torch.device, folder: Path,
) -> dict[str, object]:
    """Measure one image size.

    Args:
        size: Size of the images.
        options: Options of the command line.
        device: The GPU.
        folder: Folder of exported networks.
    """
    config = PerceptionConfig.from_values({
        'inference.device': device.type, 'stereo.matcher': 'learned',
        'stereo.max_disparity': options.disparities})
    model, normalisation = load_network(
        ModelConfig(options.model, options.taxonomy, options.weights))
    taxonomy, frame = TAXONOMIES[options.taxonomy], rendered_pairs(*size)[0]
    engines = {
        title: started.engine for title, started in EngineMaker(
            model, normalisation, size, device, folder).make_all(
                options.engines, options.precisions).items()}
    matcher, decoder = build_matcher(config.stereo, config.inference), build_decoder(
        taxonomy, device, config)
    groups = {
        'network': network_calls(engines, frame, device),
        'decode': decode_calls(
            {'torch': TorchDecoder(taxonomy), 'chosen': decoder},
            next(iter(engines.values())), frame),
        'disparity': {'learned': partial(matcher.match, frame)},
        'labels': {title: partial(to_labels, engine, decoder, frame)
                   for title, engine in engines.items()},
        'pair': {title: partial(
            to_everything, StereoSegmentationPipeline(matcher, engine, decoder, OodRule()), frame)
            for title, engine in engines.items()},
    }
    times = in_turns(groups, options.runs)
    return {
        'device': str(torch.cuda.get_device_name(device)), 'image': str(size),
        'network': options.model, 'classes': options.taxonomy,
        'disparities': options.disparities, 'decoder': type(decoder).__name__,
        **{f'{group}, CUDA events': with_rate(as_rows(rows)) for group, rows in times.items()},
    }


def network_calls(
    engines: Mapping[str, Engine], frame: StereoFrame, device: torch.device,
) -> Calls:
    """Calls that run every engine on an image already on the GPU."""
    image = torch.from_numpy(frame.left).to(device)
    return {title: partial(engine.run, image) for title, engine in engines.items()}


def decode_calls(
    decoders: Mapping[str, Decoder], engine: Engine, frame: StereoFrame,
) -> Calls:
    """Calls that decode the logits of one engine with every decoder."""
    logits = engine.run(torch.from_numpy(frame.left))
    return {
        title: partial(decoder.decode, logits, frame.left, OodRule(), Quantity.OOD_MASK)
        for title, decoder in decoders.items()}


def to_labels(engine: Engine, decoder: Decoder, frame: StereoFrame) -> Segmentation:
    """Compute labels and mask of the left image."""
    logits = engine.run(torch.from_numpy(frame.left))
    return decoder.decode(logits, frame.left, OodRule(), Quantity.OOD_MASK)


def to_everything(pipeline: StereoSegmentationPipeline, frame: StereoFrame) -> None:
    """Compute labels, mask and disparity of a pair, with all results on the host."""
    result = pipeline.process(frame, Quantity.OOD_MASK | Quantity.DISPARITY)
    if result.disparity is not None:
        result.disparity.to_host()


def in_turns(groups: Mapping[str, Calls], runs: int) -> dict[str, dict[str, Times]]:
    """Time all calls of all groups in turn, without the first turns."""
    times = {group: {title: Times() for title in calls} for group, calls in groups.items()}
    for turn in range(_WARM_UP_RUNS + runs):
        for group, calls in groups.items():
            for title, call in calls.items():
                milliseconds = gpu_milliseconds(call)
                if turn >= _WARM_UP_RUNS:
                    times[group][title].wall.append(milliseconds)
    return times


def gpu_milliseconds(call: Callable[[], object]) -> float:
    """Time between two CUDA events around a call [ms]."""
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    before.record()
    call()
    after.record()
    after.synchronize()
    return float(before.elapsed_time(after))


def with_rate(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Add rates per second, from the medians, to rows."""
    return {title: {**row, 'a second': 1e3 / row['median ms']} for title, row in rows.items()}


if __name__ == '__main__':
    main()
