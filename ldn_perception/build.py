# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Builders: from a configuration to the parts of a pipeline.

Only this module and `build_stereo`, which builds the matcher, choose classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
import logging
import math
from pathlib import Path

import numpy as np
import torch

from ldn_perception.build_stereo import build_matcher, build_scale_matcher, gains_beside
from ldn_perception.config import (
    FreeRoadConfig,
    InferenceConfig,
    ModelConfig,
    OodAlarmConfig,
    PerceptionConfig,
    SegmentationConfig,
    StereoConfig,
)
from ldn_perception.decoding.decoder import Decoder, LabelPolicy, OodRule, TorchDecoder
from ldn_perception.decoding.dense_crf import CRF_PRESETS, CrfDecoder, DenseCrf
from ldn_perception.decoding.domain_alarm import AlarmRule
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.errors import ConfigError, InferenceError, ModelError, TaxonomyError
from ldn_perception.free_road import FreeRoadRule, GridRule, LevelCamera
from ldn_perception.hardware import PRECISION_NAMES, choose_device, choose_precision
from ldn_perception.inference.backends import choose_backends
from ldn_perception.inference.calibration import INT8, calibration_for
from ldn_perception.inference.deployed_network import DeployedNetwork
from ldn_perception.inference.engine import Engine
from ldn_perception.inference.exports import (
    LOW_PRIORITY,
    ArtefactCache,
    ExportProcess,
    default_cache_folder,
)
from ldn_perception.inference.prepared_engine import PreparedEngine
from ldn_perception.inference.torch_engine import MultiScaleEngine, TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.scale_networks import ScaleInvariantNetwork, SparsePyramidNetwork
from ldn_perception.models.segmentation_model import IMAGENET, Normalisation, SegmentationModel
from ldn_perception.models.weights import WeightsHeader, load_weights, read_weights_header
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy
from ldn_perception.types import CameraGeometry, DisparityMap, Quantity, StereoFrame
from ldn_perception.weights import (
    find_shipped_weights,
    find_what_weights_are_for,
    shipped_for,
    shipped_names,
)

DEFAULT_THRESHOLD = 0.5
"""Out-of-distribution threshold on the foreign probability for weights without calibration."""

ROAD_CLASS = 'road'
"""Name of the drivable class in the taxonomies that have it."""


@dataclass(frozen=True, slots=True)
class Perception:
    """A built pipeline and its properties.

    Attributes:
        pipeline: The pipeline.
        taxonomy: Class list of the labels.
        device: Device of the network.
        calibrated_threshold: Foreign probability in [0, 1] the weights were calibrated for; None
            for weights without calibration.
        weights: File of the weights; None for random ones.
        switch_levels: Function from (H, W) pixels per metre to the pyramid levels a
            scale-selecting network takes, (M, H, W) uint8; None for other networks.
        gives_disparity_confidence: True if disparities come with a confidence.
    """

    pipeline: StereoSegmentationPipeline
    taxonomy: Taxonomy
    device: torch.device
    calibrated_threshold: float | None = None
    weights: Path | None = None
    switch_levels: Callable[[torch.Tensor], torch.Tensor] | None = None
    gives_disparity_confidence: bool = False

    @property
    def is_trained(self) -> bool:
        """True if the weights come from a file, False if they are random."""
        return self.weights is not None

    def close(self) -> None:
        """Stop an export for the engine that is in progress."""
        if isinstance(self.pipeline.engine, PreparedEngine):
            self.pipeline.engine.close()


def build_perception(config: PerceptionConfig, waits_for_engine: bool = True) -> Perception:
    """Build the pipeline that a configuration describes.

    Args:
        config: All options.
        waits_for_engine: Passed to `build_engine` as `waits`.

    Raises:
        ModelError: The weights are missing or belong to another model or taxonomy.
        InferenceError: The device or the engine is not available.
    """
    taxonomy = TAXONOMIES[config.model.taxonomy]
    device = build_device(config.inference)
    model = build_model(config.model.name, len(taxonomy))
    weights = find_weights(config.model)
    normalisation, calibrated = IMAGENET, None
    if weights is not None:
        header = load_weights(weights, model, config.model.name, taxonomy.class_names)
        normalisation, calibrated = header.normalisation, header.ood_threshold
    matcher = build_matcher(config.stereo, config.inference)
    engine = build_engine(
        model, device, config.inference, normalisation, weights, waits_for_engine)
    return Perception(
        pipeline=StereoSegmentationPipeline(
            matcher,
            engine,
            build_decoder(taxonomy, device, config),
            build_rule(config.segmentation, calibrated),
            scale_matcher=build_scale_matcher(config.stereo, config.inference)
            if model.uses_disparity else None,
            matches_beside=gains_beside(config.stereo.matcher, device),
        ),
        taxonomy=taxonomy,
        device=device,
        calibrated_threshold=calibrated,
        weights=weights,
        switch_levels=model.multiplexer.switch_levels
        if isinstance(model, ScaleInvariantNetwork) else None,
        gives_disparity_confidence=matcher.gives_confidence,
    )


def find_weights(config: ModelConfig) -> Path | None:
    """Find the weights file of a configuration; None for random weights."""
    if config.weights == 'shipped':
        return find_shipped_weights(config.name, config.taxonomy)
    return Path(config.weights) if config.weights else None


def find_weights_file(weights: str | Path) -> Path:
    """Find the file of weights named by a user.

    Args:
        weights: Name of shipped weights, or path of a weights file.

    Raises:
        ModelError: No such weights exist.
    """
    known = find_what_weights_are_for(str(weights))
    found = None if known is None else find_shipped_weights(*known)
    if found is not None:
        return found
    if Path(weights).suffix != '.safetensors' and not Path(weights).is_file():
        names = ', '.join(shipped_names(TAXONOMIES))
        raise ModelError(
            'weights', must_be=f'a weights file (.safetensors) or one of {names}',
            got=repr(str(weights)), do='correct the path, or choose one of these names')
    return Path(weights)


def options_of_weights(weights: str | Path) -> dict[str, str]:
    """Options of the network that the weights belong to.

    Args:
        weights: Name of shipped weights, or path of a weights file (.safetensors).

    Returns:
        Values of model.name, model.taxonomy and model.weights by full option name.

    Raises:
        ModelError: No such weights exist, or the file is damaged.
        ConfigError: Its classes match no taxonomy.
    """
    model, taxonomy = find_what_weights_are_for(str(weights)) or ('', '')
    if taxonomy in TAXONOMIES:
        return {'model.name': model, 'model.taxonomy': taxonomy, 'model.weights': 'shipped'}
    file = find_weights_file(weights)
    header = read_weights_header(file)
    return {
        'model.name': header.model_name, 'model.taxonomy': find_taxonomy(file, header).name,
        'model.weights': str(file)}


def find_taxonomy(path: str | Path, header: WeightsHeader) -> Taxonomy:
    """Find the taxonomy of a weights file.

    Raises:
        ConfigError: Its classes match no taxonomy.
    """
    for taxonomy in TAXONOMIES.values():
        if taxonomy.class_names == header.class_names:
            return taxonomy
    raise ConfigError(
        f'classes of weights file {path}', must_be=f'those of {", ".join(TAXONOMIES)}',
        got=f'{len(header.class_names)} others', do='use weights of one of these taxonomies')


def explain_no_weights(config: ModelConfig) -> str:
    """Explain why `find_weights` returns None."""
    if not config.weights:
        return 'model.weights is empty'
    why = f'no weights are shipped for {config.name} with taxonomy {config.taxonomy}'
    others = shipped_for(config.name)
    return f'{why}, only with {" and ".join(others)}' if others else why


def build_device(config: InferenceConfig) -> torch.device:
    """Choose the device and set the number of CPU threads.

    Raises:
        InferenceError: The device is not available.
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
    normalisation: Normalisation = IMAGENET, weights: Path | None = None,
    waits: bool = True,
) -> Engine:
    """Build the engine that runs the network once, or on several scales of the image.

    Args:
        model: The network.
        device: Device of the network.
        config: Options of inference.
        normalisation: Normalisation the network was trained with.
        weights: File of the network's weights; None for random ones, which only torch runs.
        waits: True if the first image of a size waits until its engine is exported and chosen,
            so that all images use the same engine; False if torch runs in the meantime.

    Raises:
        InferenceError: The requested engine cannot run this network or precision.
    """
    precision = choose_precision(config.precision, device)
    calibration = calibration_for(
        config.precision, config.calibration_images, uses_disparity=model.uses_disparity)
    if config.multi_scale:
        if calibration is not None:
            raise InferenceError(
                'inference.precision', must_be='float32 or bfloat16 with inference.multi_scale',
                got=INT8, do='choose auto, or one scale')
        if config.engine not in ('auto', 'torch'):
            raise InferenceError(
                'inference.engine', must_be='torch or auto with inference.multi_scale',
                got=config.engine, do='choose torch, or one scale')
        return MultiScaleEngine(
            model, device, precision=precision, normalisation=normalisation)
    eager = model
    if isinstance(model, ScaleInvariantNetwork) and device.type == 'cpu':
        eager = SparsePyramidNetwork(model)
    reference = TorchEngine(eager, device, precision, normalisation)
    num_threads = config.num_cpu_threads
    choice = choose_backends(
        config.engine, device, precision, num_threads, calibration,
        is_trained=weights is not None)
    if weights is None or not choice.backends:
        if choice.reason:
            logging.getLogger(__name__).info(
                'engine: %s, since %s', reference.description, choice.reason)
        return reference
    cache = ArtefactCache(
        Path(config.engine_cache).expanduser() if config.engine_cache else default_cache_folder())
    arithmetic = PRECISION_NAMES[precision] if calibration is None else INT8
    options = {
        'device': device.type, 'precision': arithmetic, 'num-threads': str(num_threads),
        'output': str(cache.folder),
    }
    if calibration is not None:
        options['calibration-images'] = str(calibration.folder)
    exporter = ExportProcess(weights, options, niceness=0 if waits else LOW_PRIORITY)
    network = DeployedNetwork(model, normalisation).to(device)
    return PreparedEngine(reference, network, choice, arithmetic, cache, exporter, waits=waits)


def build_decoder(
    taxonomy: Taxonomy, device: torch.device, config: PerceptionConfig,
) -> Decoder:
    """Build the fastest decoder for the device, with a CRF in front if configured."""
    num_threads = config.inference.num_cpu_threads
    crf = config.segmentation.crf
    if crf != 'none':
        return CrfDecoder(
            taxonomy, DenseCrf(CRF_PRESETS[crf], num_threads),
            FusedDecoder(taxonomy, num_threads))
    if device.type == 'cpu':
        return FusedDecoder(taxonomy, num_threads)
    if find_spec('triton') is None:
        return TorchDecoder(taxonomy)
    from ldn_perception.decoding.triton_decoder import TritonDecoder
    return TritonDecoder(taxonomy, device)


def build_rule(config: SegmentationConfig, calibrated_threshold: float | None) -> OodRule:
    """Build the out-of-distribution rule.

    Args:
        config: Options of the segmentation.
        calibrated_threshold: Threshold used if the options name none; None takes
            DEFAULT_THRESHOLD.
    """
    threshold = config.ood_threshold
    if threshold < 0:
        threshold = DEFAULT_THRESHOLD if calibrated_threshold is None else calibrated_threshold
    return OodRule(threshold, LabelPolicy(config.label_policy))


def build_free_road_rule(config: FreeRoadConfig, taxonomy: Taxonomy) -> FreeRoadRule:
    """Build the rule of the free road.

    Raises:
        TaxonomyError: The taxonomy has no class for the road.
    """
    if ROAD_CLASS not in taxonomy.class_names:
        raise TaxonomyError(
            f'taxonomy {taxonomy.name} for free road', must_be=f'one with a class {ROAD_CLASS!r}',
            got=', '.join(taxonomy.class_names),
            do='choose another model.taxonomy, or do without the outputs of free road')
    return FreeRoadRule(
        road_label=taxonomy.class_names.index(ROAD_CLASS),
        max_range_m=config.max_range_m,
        ground_tolerance_m=config.ground_tolerance_m,
        ground_slope=config.ground_slope_percent / 100,
    )


def build_grid_rule(config: FreeRoadConfig) -> GridRule:
    """Build the rule of the ground grid."""
    return GridRule(
        resolution_m=config.grid_resolution_m,
        width_m=config.grid_width_m,
        max_obstacle_height_m=config.max_obstacle_height_m,
        min_pixels=config.grid_min_pixels,
    )


def build_level_camera(config: FreeRoadConfig) -> LevelCamera | None:
    """Build the camera that the options describe; None if its height is not given."""
    if not config.camera_height_m:
        return None
    return LevelCamera(
        config.camera_height_m, math.radians(config.camera_pitch_deg),
        math.radians(config.camera_roll_deg))


def build_alarm_rule(config: OodAlarmConfig) -> AlarmRule:
    """Build the rule of the out-of-domain alarm."""
    return AlarmRule(config.raise_above, config.clear_below, config.time_constant_s)


def warm_up(perception: Perception, config: StereoConfig) -> None:
    """Run a pair of noise through the pipeline, so that the first real pair needs no compilation.

    Torch runs the network here, because the size of the pair is not that of the cameras. Engines
    that were decided on earlier are loaded.

    Args:
        perception: Pipeline to warm up.
        config: Options of its matcher; the pair is wide enough for the search range.
    """
    width, height = max(640, config.max_disparity + 64), 320
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    geometry = CameraGeometry(width, height, width, width, width / 2, height / 2, width / 2, 0.5)
    disparity = DisparityMap(torch.full((height, width), 10.0), 0, 64)
    frame = StereoFrame(0, '', image, image, geometry, disparity)
    pipeline = perception.pipeline
    if isinstance(pipeline.engine, PreparedEngine):
        pipeline.engine.load_decided()
        pipeline = pipeline.with_engine(pipeline.engine.reference)
    pipeline.process(frame, Quantity.ALL)
