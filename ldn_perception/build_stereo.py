# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Builders: from a configuration to the stereo matcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ldn_perception.config import NUM_PATHS, InferenceConfig, StereoConfig
from ldn_perception.errors import ModelError
from ldn_perception.hardware import choose_device, choose_precision
from ldn_perception.models.segmentation_model import Normalisation
from ldn_perception.models.weights import load_weights, read_weights_header
from ldn_perception.stereo.embeddings import EMBEDDING_NAME, PatchEmbedding
from ldn_perception.stereo.learned_cost import LEARNED_PENALTIES, LearnedCost
from ldn_perception.stereo.matcher import ExternalDisparity, Matcher, ReducedMatcher
from ldn_perception.stereo.matching_costs import CensusCost, CostShares
from ldn_perception.stereo.opencv_matchers import BlockMatcher, SemiGlobalBlockMatcher
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher, TorchSemiGlobalMatcher
from ldn_perception.weights import find_shipped_weights

EMBEDDING_NORMALISATION = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Normalisation of the correspondence metric: none, since it standardises each image itself."""


def build_matcher(config: StereoConfig, inference: InferenceConfig) -> Matcher:
    """Build the matcher.

    Args:
        config: Options of the matcher.
        inference: Device and number of CPU threads.
    """
    if config.matcher == 'external':
        return ExternalDisparity()
    divisor = config.resolution_divisor
    matcher = MATCHERS[config.matcher](reduced_search(config, divisor), inference)
    return ReducedMatcher(matcher, divisor) if divisor > 1 else matcher


def build_scale_matcher(config: StereoConfig, inference: InferenceConfig) -> Matcher | None:
    """Build the matcher for scale selection; None if one matcher serves both purposes."""
    divisor = config.multiplexer_divisor
    if config.matcher == 'external' or divisor in (1, config.resolution_divisor):
        return None
    return build_matcher(replace(config, resolution_divisor=divisor), inference)


def gains_beside(matcher_name: str, device: torch.device) -> bool:
    """Tell if a matcher saves time by running in parallel with the network.

    It does if the network runs on a GPU. On a CPU both compete for the same cores.

    Args:
        matcher_name: One of the choices of stereo.matcher.
        device: Device of the network.
    """
    return device.type == 'cuda' and matcher_name in CPU_MATCHERS


def reduced_search(config: StereoConfig, divisor: int) -> StereoConfig:
    """Options for images of 1 / divisor of the size, with range and speckles scaled.

    The range covers the requested one and stays a multiple of 16 disparities, as OpenCV requires.
    """
    lowest = config.min_disparity // divisor
    number = -(-config.max_disparity // divisor) - lowest
    return replace(
        config, min_disparity=lowest, max_disparity=lowest + 16 * -(-number // 16),
        speckle_size=config.speckle_size // divisor**2)


def _build_sgbm(config: StereoConfig, _: InferenceConfig) -> Matcher:
    return SemiGlobalBlockMatcher(
        block_size=config.block_size or 5, num_paths=_num_paths(config),
        **_checks(config, uniqueness_percent=10))


def _build_bm(config: StereoConfig, _: InferenceConfig) -> Matcher:
    return BlockMatcher(
        block_size=config.block_size or 15, **_checks(config, uniqueness_percent=10))


def _build_census(config: StereoConfig, inference: InferenceConfig) -> Matcher:
    num_threads = inference.num_cpu_threads
    return SemiGlobalMatcher(
        CensusCost(num_threads=num_threads), num_threads=num_threads,
        **_semi_global_options(config))


def _build_learned(config: StereoConfig, inference: InferenceConfig) -> Matcher:
    device = choose_device(inference.device)
    weights, num_threads = find_embedding(config), inference.num_cpu_threads
    cost = LearnedCost(
        build_embedding(weights), choose_precision(inference.precision, device), device,
        read_cost_shares(weights), num_threads)
    options = {**_semi_global_options(config), 'penalties': LEARNED_PENALTIES}
    if device.type == 'cuda':
        return TorchSemiGlobalMatcher(cost, device, **options)
    return SemiGlobalMatcher(cost, num_threads=num_threads, **options)


def _checks(config: StereoConfig, uniqueness_percent: int) -> dict[str, int]:
    """Options common to all matchers, with this uniqueness if the configuration sets none."""
    options = {name: getattr(config, name) for name in (
        'min_disparity', 'max_disparity', 'left_right_tolerance', 'speckle_size',
        'speckle_range')}
    if config.uniqueness_percent >= 0:
        uniqueness_percent = config.uniqueness_percent
    return {**options, 'uniqueness_percent': uniqueness_percent}


def _semi_global_options(config: StereoConfig) -> dict[str, Any]:
    """Options of semi-global matching, common to all matching costs."""
    return {
        **_checks(config, uniqueness_percent=0), 'num_paths': _num_paths(config),
        'median_side': config.median_side, 'fills_holes': config.fills_holes}


def _num_paths(config: StereoConfig) -> int:
    return config.num_paths or NUM_PATHS[config.matcher][0]


MATCHERS: dict[str, Callable[[StereoConfig, InferenceConfig], Matcher]] = {
    'sgbm': _build_sgbm, 'bm': _build_bm, 'census': _build_census,
    'learned': _build_learned,
}
"""Builders of the matchers of image pairs, by name."""

CPU_MATCHERS = ('sgbm', 'bm', 'census')
"""Matchers that run on the CPU, independent of the device of the network."""


def find_embedding(config: StereoConfig) -> Path:
    """Find the weights file of the learned matcher.

    Raises:
        ModelError: The package ships none.
    """
    if config.weights != 'shipped':
        return Path(config.weights)
    shipped = find_shipped_weights(EMBEDDING_NAME, 'stereo')
    if shipped is None:
        raise ModelError(
            'stereo.weights', must_be='a weights file of the learned matcher', got='none shipped',
            do='train one with ldn train, or choose another stereo.matcher')
    return shipped


def build_embedding(weights: Path) -> PatchEmbedding:
    """Build the correspondence metric of a weights file.

    Raises:
        ModelError: See `load_weights`.
    """
    network = PatchEmbedding(**_whole_numbers(weights, 'num_maps', 'num_layers'))
    load_weights(weights, network, EMBEDDING_NAME, ())
    return network


def read_cost_shares(weights: Path) -> CostShares:
    """Read the weights of embeddings and census codes that a weights file was trained for.

    Raises:
        ModelError: See `read_weights_header`.
        StereoError: See `CostShares`.
    """
    values = _whole_numbers(weights, 'vector_cost', 'bit_cost')
    return CostShares(**{name.removesuffix('_cost'): value for name, value in values.items()})


def _whole_numbers(weights: Path, *names: str) -> dict[str, int]:
    """Select the named entries of a weights file's summary that are integers."""
    return {
        name: value for name, value in read_weights_header(weights).summary.items()
        if name in names and isinstance(value, int)}
