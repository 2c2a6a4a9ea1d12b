# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One configuration of a replay: options, run and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.build import (
    Perception,
    build_perception,
    find_weights,
    options_of_weights,
    warm_up,
)
from ldn_perception.config import PerceptionConfig, parse_assignments
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import ConfigError
from ldn_perception.evaluation.replay import Replay, Watcher
from ldn_perception.evaluation.replay_folder import ReplaySettings
from ldn_perception.pictures import (
    Picture,
    captioned,
    color_disparity,
    color_labels,
    overlay,
    paint_ood,
)
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy
from ldn_perception.types import PerceptionResult
from ldn_perception.weights import shipped_names


@dataclass(frozen=True, slots=True)
class Configuration:
    """A named configuration of the pipeline.

    Attributes:
        name: Name of the configuration and of its folder.
        config: Its options.
    """

    name: str
    config: PerceptionConfig


def parse_configurations(
    shared: Mapping[str, Any], compare: str | None,
) -> list[Configuration]:
    """Parse the configurations given on the command line.

    Args:
        shared: Values of options by name, for all configurations.
        compare: Models or names of shipped weights separated by commas, each with its own options
            after colons, as in 'ldn121_road,ldn121_road:stereo.matcher=census'; None for the
            single configuration of the options.

    Raises:
        ConfigError: A model or option is unknown, a value is invalid, a configuration occurs
            twice, or its disparity would come from a topic.
    """
    if compare is None:
        config = _checked(PerceptionConfig.from_values(shared))
        return [Configuration(config.model.name, config)]
    found: dict[str, Configuration] = {}
    for text in compare.split(','):
        model, *own = text.split(':')
        values = {**shared, **_options_of(model), **parse_assignments(own, '--compare')}
        name = re.sub(r'[^\w.=:-]', '_', text).strip('.')
        if name in found:
            raise ConfigError(
                '--compare', must_be='different configurations', got=f'{text} twice',
                do='name each once')
        found[name] = Configuration(name, _checked(PerceptionConfig.from_values(values)))
    return list(found.values())


def _options_of(name: str) -> dict[str, str]:
    """Options for a name: shipped weights with their network and classes, or a network."""
    if name in shipped_names(TAXONOMIES):
        return options_of_weights(name)
    return {'model.name': name}


def _checked(config: PerceptionConfig) -> PerceptionConfig:
    if config.stereo.matcher == 'external':
        raise ConfigError(
            'stereo.matcher of a replay', must_be='a matcher of pairs', got='external',
            do='choose sgbm, for example')
    return config


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Request for a replay, independent of the configuration.

    Attributes:
        bags: Bags to replay in this order.
        ground_truth: Folder with additional ground truth; None for none.
        writes_bag: True to write a bag of results.
        writes_images: True to include the left images in it.
    """

    bags: tuple[Path, ...]
    ground_truth: Path | None = None
    writes_bag: bool = True
    writes_images: bool = True

    def of_bag(self, bag: Path) -> ReplayRequest:
        """Part of the request for one of its bags."""
        several = len(self.bags) > 1
        own = self.ground_truth / bag.stem if self.ground_truth and several else self.ground_truth
        return replace(self, bags=(bag,), ground_truth=own)

    def settings(self, configuration: Configuration) -> ReplaySettings:
        """Settings that determine the results of a configuration.

        Raises:
            ReplayError: There is no bag, or a bag occurs twice or is missing.
            ModelError: Shipped weights are requested and do not exist.
        """
        config = configuration.config
        return ReplaySettings(
            configuration.name, self.bags, config.to_values(), TAXONOMIES[config.model.taxonomy],
            find_weights(config.model), self.ground_truth, self.writes_bag, self.writes_images)


def replay_configuration(
    request: ReplayRequest, configuration: Configuration, folder: Path,
    watcher: Watcher | None = None, num_threads: int = 0,
) -> bool:
    """Build a configuration and replay through it; an incomplete replay is resumed.

    Args:
        request: Request for the replay.
        configuration: The configuration.
        folder: Folder for the results.
        watcher: Progress and cancellation callbacks.
        num_threads: CPU threads if the options do not set them; 0 takes every core.

    Returns:
        True if all pairs are done.

    Raises:
        LdnPerceptionError: See `build_perception` and `Replay.run`.
    """
    config = configuration.config
    inference = config.inference
    threads = inference.num_threads or num_threads
    perception = build_perception(
        replace(config, inference=replace(inference, num_threads=threads)))
    warm_up(perception, config.stereo)
    return build_replay(request, configuration, perception).run(folder, watcher)


def build_replay(
    request: ReplayRequest, configuration: Configuration, perception: Perception,
) -> Replay:
    """Build a replay.

    Args:
        request: Request for the replay.
        configuration: The configuration.
        perception: Pipeline built from it.
    """
    config = configuration.config
    painter = PairPainter(
        perception.taxonomy, config.output.overlay_opacity, config.stereo.max_disparity)
    return Replay(request.settings(configuration), perception.pipeline, painter.draw)


TILE_WIDTH_PX = 620


@dataclass(frozen=True, slots=True)
class PairPainter:
    """Drawing of a pair in four tiles, two by two.

    Attributes:
        taxonomy: Class list with colours.
        opacity: Opacity of the overlay, in [0, 1].
        max_disparity: Disparity of the warmest colour [px].
    """

    taxonomy: Taxonomy
    opacity: float
    max_disparity: float

    def draw(self, sample: StereoSample, result: PerceptionResult) -> Picture:
        """Draw left image, overlay, foreign probability, and ground truth or else disparity.

        Args:
            sample: The pair and its ground truth.
            result: Result of the pair, with mask and foreign probability.

        Returns:
            (H, W, 3) uint8 RGB; tiles are at most 620 px wide.
        """
        left, segmentation = sample.frame.left, result.segmentation
        assert segmentation.foreign_probability is not None
        tiles = [
            ('left image', left),
            ('overlay, out of distribution is cyan',
             overlay(left, segmentation, self.taxonomy, self.opacity)),
            ('foreign probability, 0 blue to 1 red',
             color_probability(segmentation.foreign_probability)),
            self._last_tile(sample, result),
        ]
        drawn = [captioned(_at_most(image, TILE_WIDTH_PX), text) for text, image in tiles]
        return np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])

    def _last_tile(self, sample: StereoSample, result: PerceptionResult) -> tuple[str, Picture]:
        if sample.labels is not None:
            truth = color_labels(sample.labels, self.taxonomy)
            return 'ground truth, foreign is cyan', paint_ood(truth, sample.foreign)
        if result.disparity is not None:
            disparity = result.disparity.to_host()
            return 'disparity, near is warm', color_disparity(disparity, self.max_disparity)
        return 'no ground truth', np.zeros_like(sample.frame.left)


def color_probability(probability: NDArray[np.float32]) -> Picture:
    """Draw probability in colours from blue to red.

    Args:
        probability: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = np.clip(probability * np.float32(255), 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(grey, cv2.COLORMAP_TURBO)
    return np.asarray(cv2.cvtColor(colors, cv2.COLOR_BGR2RGB), np.uint8)


def _at_most(picture: Picture, width_px: int) -> Picture:
    height, width = picture.shape[:2]
    if width <= width_px:
        return picture
    size = width_px, round(height * width_px / width)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
