# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn export`: export a trained network for an engine, once for each image size.

The node exports missing networks itself; exporting in advance saves that time. A network that is
already exported is only tested: it runs beside torch on a noise image. --size may be repeated.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import time

import torch
from torch.nn import functional as F

from ldn_perception.build import find_weights_file
from ldn_perception.cli import options
from ldn_perception.cli.options import parse_size
from ldn_perception.errors import ConfigError
from ldn_perception.hardware import choose_device, choose_precision, keep_freed_memory
from ldn_perception.inference.backends import BACKEND_NAMES, build_backend
from ldn_perception.inference.calibration import calibration_for
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Backend, Engine
from ldn_perception.inference.exports import ArtefactCache, default_cache_folder
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import load_weights, read_weights_header

EXAMPLE = 'ldn export --weights ldn121_road --size 1242x375 --engine openvino'

_NUM_RUNS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    options.add_weights(parser, required=True)
    options.add_size(parser, repeatable=True)
    options.add_inference(parser, device='auto', engine='openvino', precision='auto')
    options.add_calibration_images(parser)
    options.add_output(parser, required=False)
    parser.add_argument('--num-threads', type=int, default=0, metavar='N',
                        help='CPU threads of the network; 0 takes every core')


def run(given: argparse.Namespace) -> int:
    """Export, test and print the folder."""
    if given.engine not in BACKEND_NAMES:
        raise ConfigError(
            '--engine', must_be=f'one of {", ".join(BACKEND_NAMES)}', got=given.engine,
            do='choose an engine that networks are exported for')
    keep_freed_memory()
    sizes = [ImageSize(*parse_size(text)) for text in given.size]
    device = choose_device(given.device)
    precision = choose_precision(given.precision, device)
    num_threads = given.num_threads or os.cpu_count() or 1
    torch.set_num_threads(num_threads)
    weights = find_weights_file(given.weights)
    header = read_weights_header(weights)
    model = build_model(header.model_name, len(header.class_names))
    calibration = calibration_for(
        given.precision, given.calibration_images, uses_disparity=model.uses_disparity)
    backend = build_backend(given.engine, device, precision, num_threads, calibration)
    load_weights(weights, model, header.model_name, header.class_names)
    reference = TorchEngine(model, device, precision, header.normalisation)
    network = DeployedNetwork(model, header.normalisation).to(device)
    cache = ArtefactCache(given.output or default_cache_folder())
    print(f'{weights.name}: {header.model_name} for {backend.fingerprint}')
    for size in sizes:
        folder = _export(cache, backend, network, size)
        images = tuple(value.cpu() for value in network.example_inputs(size))
        _compare(backend.load(network, size, folder), reference, images)
    return 0


def _export(
    cache: ArtefactCache, backend: Backend, network: DeployedNetwork, size: ImageSize,
) -> Path:
    found = cache.find(backend, network, size)
    if found is not None:
        print(f'{size}: exported before, {found}')
        return found
    print(f'{size}: exporting, some seconds to minutes', flush=True)
    started_s = time.monotonic()
    folder = cache.ensure(backend, network, size)
    print(f'{size}: exported in {time.monotonic() - started_s:.0f} s, {folder}')
    return folder


def _compare(engine: Engine, reference: Engine, batch: tuple[torch.Tensor, ...]) -> None:
    """Print agreement and run times of two engines on one image."""
    inputs = [value[0] for value in batch]
    labels, milliseconds = [], []
    for candidate in (engine, reference):
        logits, fastest_ms = _time(candidate, inputs)
        upsampled = F.interpolate(logits, inputs[0].shape[:2], mode='bilinear')
        labels.append(upsampled.argmax(1))
        milliseconds.append(fastest_ms)
    share = (labels[0] == labels[1]).float().mean().item()
    print(f'  {engine.description}: {milliseconds[0]:.0f} ms; {reference.description}: '
          f'{milliseconds[1]:.0f} ms; the same labels on {100 * share:.2f} % of a noise image')


def _time(engine: Engine, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Run an engine; return the logits on the CPU and the shortest time after a warm-up [ms]."""
    engine.run(*inputs)
    runs_ms = []
    for _ in range(_NUM_RUNS):
        started_s = time.monotonic()
        logits = engine.run(*inputs).cpu()
        runs_ms.append(1e3 * (time.monotonic() - started_s))
    return logits, min(runs_ms)
