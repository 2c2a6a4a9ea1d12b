# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The corridor: a frame in, a result out."""


from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
import time
import warnings

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.decoding.decoder import Decoder, OodRule
from ldn_perception.errors import StereoError
from ldn_perception.inference.engine import Engine
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.types import (
    CameraGeometry,
    DisparityMap,
    PerceptionResult,
    Quantity,
    Segmentation,
    StereoFrame,
)


class StereoSegmentationPipeline:
    """Disparity, network and decision for one pair at a time.

    What needs no result of the matcher need not wait for it: where the network does without that
    disparity, the matcher may work beside network and decoder, in a thread of its own. Results
    are the same.

    Args:
        matcher: Finds the disparity.
        engine: Runs the network.
        decoder: Decides every pixel.
        rule: Out-of-distribution threshold and label policy; may be replaced at any time, the
            next frame follows it.
        scale_matcher: Finds the disparity that a network selects its scales with; None where
            that is the matcher's.
        matches_beside: Whether the matcher may work beside network and decoder. It must use no
            torch: its thread would have a second team of OpenMP threads, and they slow every
            layer of torch's networks.
    """

    def __init__(
        self, matcher: Matcher, engine: Engine, decoder: Decoder, rule: OodRule, *,
        scale_matcher: Matcher | None = None, matches_beside: bool = False,
    ) -> None:
        self._matcher = matcher
        self._engine = engine
        self._decoder = decoder
        self._scale_matcher = scale_matcher
        self._beside = ThreadPoolExecutor(1, 'disparity') if matches_beside else None
        self.rule = rule

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._engine

    def with_engine(self, engine: Engine) -> StereoSegmentationPipeline:
        """Make a corridor of the same parts around another engine."""
        return StereoSegmentationPipeline(
            self._matcher, engine, self._decoder, self.rule, scale_matcher=self._scale_matcher,
            matches_beside=self._beside is not None)

    def with_matcher(self, matcher: Matcher) -> StereoSegmentationPipeline:
        """Make a pipeline of the same parts around another matcher, which also gives scales."""
        return StereoSegmentationPipeline(matcher, self._engine, self._decoder, self.rule)

    def process(
        self, frame: StereoFrame, quantities: Quantity = Quantity.ALL,
    ) -> PerceptionResult:
        """Take one pair down the corridor.

        Args:
            frame: The pair.
            quantities: What to compute beside the labels. Disparity is computed unasked when
                the network selects its scales with it.

        Returns:
            Labels, the quantities asked for, and seconds for 'disparity', 'network', 'decode'.
            They add up to those of the pair: disparity is what the pair waited for it alone.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        started = time.perf_counter()
        scales = self._match_scales(frame)
        disparity = scales if self._scale_matcher is None else None
        matching = None
        if disparity is None and Quantity.DISPARITY in quantities:
            matching = self._begin_matching(frame)
        matched = time.perf_counter()
        try:
            apparent_size = None
            if scales is not None:
                apparent_size = pixels_per_metre(scales, frame.geometry)
            logits = self._engine.run(_as_tensor(frame.left), apparent_size)
            inferred = time.perf_counter()
            segmentation = self._decoder.decode(logits, frame.left, self.rule, quantities)
            decoded = time.perf_counter()
        finally:
            # Whatever happens, nobody works on the frame any more when this is over.
            if matching is not None:
                disparity = matching.result()
        return PerceptionResult(frame, segmentation, disparity, {
            'disparity': matched - started + time.perf_counter() - decoded,
            'network': inferred - matched,
            'decode': decoded - inferred,
        }, apparent_size)

    def process_image(
        self, image: NDArray[np.uint8], quantities: Quantity = Quantity.ALL,
    ) -> tuple[Segmentation, dict[str, float]]:
        """Segment one image without stereo.

        Args:
            image: (H, W, 3) uint8 RGB.
            quantities: Quantities to compute beside the labels; there is no disparity.

        Returns:
            Segmentation of the image, and seconds of 'network' and 'decode'.

        Raises:
            StereoError: The network selects its scales by disparity.
        """
        if self._engine.uses_disparity:
            raise StereoError(
                'input of a network that selects its scales',
                must_be='an image with its right image or its disparity', got='one image',
                do='give both images and the camera, or choose a network that takes one image',
                reason='no_disparity')
        started = time.perf_counter()
        logits = self._engine.run(_as_tensor(image))
        inferred = time.perf_counter()
        segmentation = self._decoder.decode(logits, image, self.rule, quantities)
        return segmentation, {
            'network': inferred - started, 'decode': time.perf_counter() - inferred}

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of a pair by itself.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        return self._matcher.match(frame)

    def _match_scales(self, frame: StereoFrame) -> DisparityMap | None:
        """Disparity that the network waits for; None where it waits for none."""
        if not self._engine.uses_disparity:
            return None
        return (self._scale_matcher or self._matcher).match(frame)

    def _begin_matching(self, frame: StereoFrame) -> Future[DisparityMap]:
        """Disparity that nobody waits for yet."""
        if self._beside is not None:
            return self._beside.submit(self._matcher.match, frame)
        matched: Future[DisparityMap] = Future()
        matched.set_result(self._matcher.match(frame))
        return matched


def pixels_per_metre(disparity: DisparityMap, geometry: CameraGeometry) -> torch.Tensor:
    """Apparent size of one metre at the depth of each pixel.

    Source: thesis eq. 3.1, where a reference scale of W metres spans W d / b pixels.

    Returns:
        (H, W) float32, fx / Z = (d - (cx - cx_right)) / b [px/m]; NaN where d is unknown.
    """
    return (disparity.values - geometry.disparity_offset) / geometry.baseline


def _as_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    with warnings.catch_warnings():
        # The corridor never writes into a message's memory, which may be read-only.
        warnings.filterwarnings('ignore', message='The given NumPy array is not writable')
        return torch.from_numpy(image)
