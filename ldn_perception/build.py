# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From a configuration to the parts it names: the only place that chooses classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
import os
from pathlib import Path

import numpy as np
import torch

from ldn_perception.config import (
    InferenceConfig,
    ModelConfig,
    PerceptionConfig,
    SegmentationConfig,
    StereoConfig,
)
from ldn_perception.frames import CameraGeometry, DisparityMap, Quantity, StereoFrame
from ldn_perception.inference.device import choose_device
from ldn_perception.inference.engine import Engine
from ldn_perception.inference.multi_scale import MultiScaleEngine
from ldn_perception.inference.precision import choose_precision
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.normalisation import IMAGENET, Normalisation
from ldn_perception.models.registry import build_model
from ldn_perception.models.scale_invariant import ScaleInvariantNetwork
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.models.weights import load_weights
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.segmentation.crf_decoder import CrfDecoder
from ldn_perception.segmentation.decoder import Decoder, LabelPolicy, OodRule
from ldn_perception.segmentation.dense_crf import CRF_PRESETS, DenseCrf
from ldn_perception.segmentation.fused_decoder import FusedDecoder
from ldn_perception.segmentation.torch_decoder import TorchDecoder
from ldn_perception.stereo.external_disparity import ExternalDisparity
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.stereo.semi_global_block_matcher import SemiGlobalBlockMatcher
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy
from ldn_perception.weights import find_shipped_weights

DEFAULT_THRESHOLD = 0.5
"""Of foreign probability, for weights that were not calibrated."""


@dataclass(frozen=True, slots=True)
class Perception:
    """A built corridor and what is to be known about it.

    Attributes:
        pipeline: The corridor.
        taxonomy: Classes of its labels.
        device: Where the network runs.
        calibrated_threshold: Foreign probability the weights were calibrated for; None if they
            were not.
        weights: File they are from; None for random ones.
        switch_levels: (H, W) pixels per metre to the pyramid levels a scale-selecting network
            takes there, (M, H, W) uint8; None for other networks.
    """

    pipeline: StereoSegmentationPipeline
    taxonomy: Taxonomy
    device: torch.device
    calibrated_threshold: float | None = None
    weights: Path | None = None
    switch_levels: Callable[[torch.Tensor], torch.Tensor] | None = None

    @property
    def is_trained(self) -> bool:
        """False for random weights."""
        return self.weights is not None


def build_perception(config: PerceptionConfig) -> Perception:
    """Build the corridor a configuration describes.

    Raises:
        ModelError: The weights are missing or not for this model and taxonomy.
        InferenceError: The device is not there.
    """
    taxonomy = TAXONOMIES[config.model.taxonomy]
    device = build_device(config.inference)
    model = build_model(config.model.name, len(taxonomy))
    weights = find_weights(config.model)
    normalisation, calibrated = IMAGENET, None
    if weights is not None:
        header = load_weights(weights, model, config.model.name, taxonomy.class_names)
        normalisation, calibrated = header.normalisation, header.ood_threshold
    return Perception(
        pipeline=StereoSegmentationPipeline(
            build_matcher(config.stereo),
            build_engine(model, device, config.inference, normalisation),
            build_decoder(taxonomy, device, config),
            build_rule(config.segmentation, calibrated),
        ),
        taxonomy=taxonomy,
        device=device,
        calibrated_threshold=calibrated,
        weights=weights,
        switch_levels=model.multiplexer.switch_levels
        if isinstance(model, ScaleInvariantNetwork) else None,
    )


def find_weights(config: ModelConfig) -> Path | None:
    """File of the weights a configuration asks for; None for random ones."""
    if config.weights == 'shipped':
        return find_shipped_weights(config.name, config.taxonomy)
    return Path(config.weights) if config.weights else None


def build_device(config: InferenceConfig) -> torch.device:
    """Choose the device and set the number of CPU threads.

    Raises:
        InferenceError: The device is not there.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    device = choose_device(config.device)
    if device.type == 'cpu' and config.device == 'auto':
        logging.getLogger(__name__).warning(
            'NO GPU: torch %s sees none, the network runs on the CPU and will be slow; set '
            'inference.device to cpu to accept that', torch.__version__)
    return device


def build_engine(
    model: SegmentationModel, device: torch.device, config: InferenceConfig,
    normalisation: Normalisation = IMAGENET,
) -> Engine:
    """Build the engine: the network once, or on several scales of the image."""
    precision = choose_precision(config.precision, device)
    if config.multi_scale:
        return MultiScaleEngine(
            model, device, precision=precision, normalisation=normalisation)
    return TorchEngine(model, device, precision, normalisation)


def build_matcher(config: StereoConfig) -> Matcher:
    """Build the matcher."""
    if config.matcher == 'external':
        return ExternalDisparity()
    return SemiGlobalBlockMatcher(
        min_disparity=config.min_disparity,
        max_disparity=config.max_disparity,
        block_size=config.block_size,
        mode=config.mode,
        uniqueness_percent=config.uniqueness_percent,
        left_right_tolerance=config.left_right_tolerance,
        speckle_size=config.speckle_size,
        speckle_range=config.speckle_range,
    )


def build_decoder(
    taxonomy: Taxonomy, device: torch.device, config: PerceptionConfig,
) -> Decoder:
    """Build the decoder that is fast where the logits are, behind a CRF if one is asked for."""
    num_threads = config.inference.num_threads or os.cpu_count() or 1
    crf = config.segmentation.crf
    if crf != 'none':
        return CrfDecoder(
            taxonomy, DenseCrf(CRF_PRESETS[crf], num_threads),
            FusedDecoder(taxonomy, num_threads))
    if device.type == 'cpu':
        return FusedDecoder(taxonomy, num_threads)
    return TorchDecoder(taxonomy)


def build_rule(config: SegmentationConfig, calibrated_threshold: float | None) -> OodRule:
    """Build the out-of-distribution rule.

    Args:
        config: Its options.
        calibrated_threshold: What is used where they name no threshold.
    """
    threshold = config.ood_threshold
    if threshold < 0:
        threshold = DEFAULT_THRESHOLD if calibrated_threshold is None else calibrated_threshold
    return OodRule(threshold, LabelPolicy(config.label_policy))


def warm_up(perception: Perception, config: StereoConfig) -> None:
    """Send a grey pair through the corridor, so that compilation does not cost the first pair.

    Args:
        perception: What to warm up.
        config: Its matcher's options; the pair is made wide enough for the search.
    """
    width, height = max(640, config.max_disparity + 64), 320
    image = np.full((height, width, 3), 127, np.uint8)
    geometry = CameraGeometry(width, height, width, width, width / 2, height / 2, width / 2, 0.5)
    disparity = DisparityMap(torch.full((height, width), 10.0), 0, 64)
    frame = StereoFrame(0, '', image, image, geometry, disparity)
    perception.pipeline.process(frame, Quantity.ALL)
