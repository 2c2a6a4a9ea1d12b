# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The public API: networks by name, their weights, and their results for images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
import logging
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.build import (
    Perception,
    build_perception,
    explain_no_weights,
    options_of_weights,
)
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.images import ImageLike, to_disparity, to_rgb
from ldn_perception.data.sources import Input, Refuse, Source, open_source
from ldn_perception.errors import ConfigError, FrameError, LdnPerceptionError
from ldn_perception.inference.torch_engine import ResizedEngine
from ldn_perception.models.registry import MODELS
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.result import Result
from ldn_perception.stereo.matcher import ExternalDisparity
from ldn_perception.stereo_camera import StereoCamera
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import DisparityMap, Quantity, Segmentation, StereoFrame
from ldn_perception.weights import find_shipped_weights, find_what_weights_are_for, shipped_names

_DEFAULT = PerceptionConfig()
_FRAME_ID = 'left_camera_optical_frame'
_QUANTITIES = Quantity.OOD_MASK | Quantity.CONFIDENCE | Quantity.FOREIGN_PROBABILITY


def load(
    weights: str | Path | None = None, *,
    device: str = _DEFAULT.inference.device,
    engine: str = _DEFAULT.inference.engine,
    matcher: str = _DEFAULT.stereo.matcher,
    size: tuple[int, int] | None = None,
    **options: Any,
) -> Segmenter:
    """Load a network and build its pipeline.

    Args:
        weights: Name of shipped weights, see `list_weights`, or path of a weights file
            (.safetensors); None takes the default weights.
        device: 'auto' (the GPU, or the CPU with a warning), 'cuda' or 'cpu'.
        engine: Library that runs the network. 'auto' takes the fastest installed one: the first
            image of a size waits while the network is exported, once per size and machine.
            'torch' needs no export.
        matcher: Stereo matcher: 'sgbm', 'bm', 'census' or 'learned'.
        size: Width and height of the network's input [px]; None for the size of each image.
            Results have the size of the image.
        options: Any parameter of the node by its full name, with two underscores for the dot:
            `stereo__max_disparity=192`; or with the dot, `**{'stereo.max_disparity': 192}`. They
            override the other arguments.

    Raises:
        ConfigError: An option is unknown or has an invalid value.
        ModelError: The weights are missing, damaged, or belong to another network.
        InferenceError: The device or the engine is not available.
    """
    if size is not None and not (len(size) == 2 and all(
            isinstance(side, int) and side > 0 for side in size)):
        raise ConfigError(
            'size', must_be='width and height > 0 in pixels', got=repr(size),
            do='write for example size=(1242, 375)')
    config = PerceptionConfig.from_values({
        'inference.device': device, 'inference.engine': engine, 'stereo.matcher': matcher,
        **({} if weights is None else options_of_weights(weights)),
        **{name.replace('__', '.'): value for name, value in options.items()},
    })
    return Segmenter(config, build_perception(config), size)


class Segmenter:
    """Segmentation of images with out-of-distribution masks, and disparity of pairs; see `load`.

    Not thread-safe.

    Args:
        config: All options.
        perception: Pipeline built from them.
        size: See `load`.
    """

    def __init__(
        self, config: PerceptionConfig, perception: Perception,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.config = config
        self._perception = perception
        self._pipeline = perception.pipeline
        if size is not None:
            self._pipeline = self._pipeline.with_engine(
                ResizedEngine(self._pipeline.engine, *size))
        if not self.is_trained:
            logging.getLogger(__name__).warning(
                'UNTRAINED: %s, the network has random weights and its labels mean nothing',
                explain_no_weights(config.model))

    def __call__(
        self, left: ImageLike, right: ImageLike | None = None,
        camera: StereoCamera | None = None, *, disparity: NDArray[np.floating] | None = None,
    ) -> Result:
        """Segment an image, or the left image of a pair.

        Args:
            left: Path, PIL image, (H, W, 3) uint8 RGB or (H, W) uint8 grey array. Convert images
                that OpenCV has read: they are BGR, which cannot be told from RGB.
            right: Right image, rectified with the left one unless input.rectify is set; None
                without stereo.
            camera: Stereo camera; required with a right image or a disparity.
            disparity: (H, W) floating-point disparity of the left image [px], NaN where unknown,
                instead of a right image.

        Returns:
            Labels and probabilities; with stereo also disparity, depth and points.

        Raises:
            FrameError: An image has another type, sizes differ, or the camera is missing.
            BagError: A file is missing or not an image.
            CalibrationError: The camera cannot rectify raw images.
            StereoError: The network selects its scales and there is no stereo.
            ModelError: The image is too small for the network.
        """
        known = None
        image, other = to_rgb(left, 'left image'), None
        if right is not None:
            other = to_rgb(right, 'right image')
        if disparity is not None:
            known = to_disparity(disparity, (image.shape[0], image.shape[1]))
        return self._process(self._input(image, other, camera, known))

    def stream(
        self, source: str | Path | Source, *, right: str | Path | None = None,
        camera: StereoCamera | None = None, topic: str = '', refuse: Refuse | None = None,
    ) -> Iterator[tuple[str, Result]]:
        """Segment every image of a source.

        Args:
            source: Image, folder of images, folder of pairs with their calibration, video or bag.
            right: Right image or folder of right images, see `open_source`.
            camera: Stereo camera of the pairs; None takes the calibration of a folder or a bag.
            topic: Image topic of a single camera in a bag; empty takes the stereo pair.
            refuse: Callback that receives the name and error of each input that cannot be used;
                the input is skipped. None raises the error.

        Returns:
            Name of each input (file name, frame number or stamp [ns]) and its result.

        Raises:
            LdnPerceptionError: See `open_source` and `__call__`.
        """
        if not isinstance(source, Source):
            source = open_source(
                source, right=right, has_camera=camera is not None,
                rectifies=self.config.input.rectify, topic=topic)
        for item in source.items(refuse):
            try:
                found = item.read()
                if not isinstance(found, StereoFrame):
                    found = self._input(*found, camera, stamp_ns=item.stamp_ns)
                result = self._process(found, item.stamp_ns)
            except LdnPerceptionError as error:
                if refuse is None:
                    raise
                refuse(item.name, error)
            else:
                yield item.name, result

    def _input(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None,
        camera: StereoCamera | None, disparity: DisparityMap | None = None, stamp_ns: int = 0,
    ) -> Input:
        """Build a frame if there is stereo, else pass on the image."""
        if right is None and disparity is None:
            return left, None
        if not isinstance(camera, StereoCamera):
            raise FrameError(
                'camera', must_be='a StereoCamera beside a right image or a disparity',
                got='none' if camera is None else type(camera).__name__,
                do='read it with StereoCamera.from_file, or make one of fx, fy, cx, cy and '
                'baseline_m')
        if right is not None and right.shape != left.shape:
            raise FrameError(
                'right image', must_be=f'{left.shape[1]}x{left.shape[0]} as the left one',
                got=f'{right.shape[1]}x{right.shape[0]}', do='give both images of one pair',
                reason='size_mismatch')
        if right is not None and self.config.input.rectify:
            left, right = camera.rectify(left, right)
        geometry = camera.geometry(left.shape[1], left.shape[0])
        return StereoFrame(stamp_ns, _FRAME_ID, left, right, geometry, disparity)

    def _process(self, found: Input, stamp_ns: int = 0) -> Result:
        if isinstance(found, StereoFrame):
            pipeline = self._pipeline
            if found.external_disparity is not None:
                pipeline = pipeline.with_matcher(ExternalDisparity())
            processed = pipeline.process(found, _QUANTITIES)
            known = processed.disparity
            match = partial(pipeline.match, found) if known is None else lambda: known
            return self._result(
                found.left, processed.segmentation, processed.seconds, found.stamp_ns,
                geometry=found.geometry, match=match)
        segmentation, seconds = self._pipeline.process_image(found[0], _QUANTITIES)
        return self._result(found[0], segmentation, seconds, stamp_ns)

    def _result(
        self, image: NDArray[np.uint8], segmentation: Segmentation, seconds: dict[str, float],
        stamp_ns: int, **stereo: Any,
    ) -> Result:
        assert segmentation.confidence is not None
        assert segmentation.foreign_probability is not None
        assert segmentation.ood_mask is not None
        return Result(
            image, segmentation.labels, segmentation.confidence,
            segmentation.foreign_probability, segmentation.ood_mask, self._perception.taxonomy,
            stamp_ns=stamp_ns, seconds=seconds, made_by=self.made_by,
            num_non_finite=segmentation.num_non_finite, **stereo)

    @property
    def made_by(self) -> dict[str, str]:
        """Names of model, weights, taxonomy and engine."""
        weights = self._perception.weights
        return {
            'model': self.config.model.name,
            'weights': 'untrained' if weights is None else weights.name,
            'taxonomy': self._perception.taxonomy.name,
            'engine': self._pipeline.engine.description,
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return self._perception.taxonomy.class_names

    @property
    def is_trained(self) -> bool:
        """True if the weights come from a file, False if they are random."""
        return self._perception.is_trained

    @property
    def needs_stereo(self) -> bool:
        """True if the network needs a right image or a disparity."""
        return self._pipeline.engine.uses_disparity

    @property
    def ood_threshold(self) -> float:
        """Foreign probability above which a pixel is out of distribution, in [0, 1]."""
        return self._pipeline.rule.threshold

    def close(self) -> None:
        """Stop an export of the network that is in progress."""
        self._perception.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return 'Segmenter({model}, weights {weights}, taxonomy {taxonomy}, {engine})'.format(
            **self.made_by)


@dataclass(frozen=True)
class WeightsInfo:
    """Weights shipped with the package.

    Attributes:
        name: Name that `load` takes.
        model: Name of the network.
        taxonomy: Name of the class list.
        is_default: True if `load` takes these weights by default.
        path: Path of the weights file.
    """

    name: str
    model: str
    taxonomy: str
    is_default: bool
    path: Path


@dataclass(frozen=True)
class ModelInfo:
    """A network of the package.

    The properties build the network on first access, without memory for its weights.

    Attributes:
        name: Value of the option model.name.
        weights: Names of its shipped weights; empty if it must be trained first.
    """

    name: str
    weights: tuple[str, ...]

    @cached_property
    def _network(self) -> SegmentationModel:
        with torch.device('meta'):
            return MODELS[self.name](len(TAXONOMIES[PerceptionConfig().model.taxonomy]))

    @cached_property
    def num_parameters(self) -> int:
        """Number of parameters, with the classes of the default taxonomy."""
        return sum(value.numel() for value in self._network.parameters())

    @property
    def needs_stereo(self) -> bool:
        """True if the network needs a right image or a disparity."""
        return self._network.uses_disparity


def list_weights() -> list[WeightsInfo]:
    """List the weights shipped with the package."""
    default = PerceptionConfig().model
    found = []
    for name in shipped_names(TAXONOMIES):
        known = find_what_weights_are_for(name)
        assert known is not None
        path = find_shipped_weights(*known)
        assert path is not None
        found.append(WeightsInfo(name, *known, known == (default.name, default.taxonomy), path))
    return found


def list_models() -> list[ModelInfo]:
    """List the networks."""
    weights = list_weights()
    return [
        ModelInfo(name, tuple(entry.name for entry in weights if entry.model == name))
        for name in MODELS]
