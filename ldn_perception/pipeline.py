# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline: from a stereo frame to a result."""

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
    """Matcher, network and decoder for one pair at a time.

    If the network needs no disparity, the matcher may run in a thread of its own, in parallel
    with network and decoder. Results are the same.

    Args:
        matcher: Stereo matcher.
        engine: Engine that runs the network.
        decoder: Decoder of the logits.
        rule: Out-of-distribution threshold and label policy; may be replaced at any time, with
            effect from the next frame.
        scale_matcher: Matcher of the disparity for scale selection; None if the disparity of
            `matcher` serves for it.
        matches_beside: True if the matcher runs in parallel with network and decoder. It must
            not use torch then: its thread would create a second team of OpenMP threads, which
            slow every layer of torch's networks.
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
        """Engine that runs the network."""
        return self._engine

    def with_engine(self, engine: Engine) -> StereoSegmentationPipeline:
        """Copy of this pipeline with another engine."""
        return StereoSegmentationPipeline(
            self._matcher, engine, self._decoder, self.rule, scale_matcher=self._scale_matcher,
            matches_beside=self._beside is not None)

    def with_matcher(self, matcher: Matcher) -> StereoSegmentationPipeline:
        """Copy of this pipeline with another matcher, which also serves scale selection."""
        return StereoSegmentationPipeline(matcher, self._engine, self._decoder, self.rule)

    def process(
        self, frame: StereoFrame, quantities: Quantity = Quantity.ALL,
    ) -> PerceptionResult:
        """Process one pair.

        Args:
            frame: The pair.
            quantities: Quantities to compute besides the labels. Disparity is always computed if
                the network selects its scales with it.

        Returns:
            Labels, the requested quantities, and seconds for 'disparity', 'network' and 'decode'.
            These add up to the time of the pair: 'disparity' covers only the time spent waiting
            for the matcher.

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
            # Even after an error, no thread may still use the frame when this method returns.
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
            quantities: Quantities to compute besides the labels; disparity is ignored.

        Returns:
            Segmentation of the image, and seconds for 'network' and 'decode'.

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
        """Compute only the disparity of a pair.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        return self._matcher.match(frame)

    def _match_scales(self, frame: StereoFrame) -> DisparityMap | None:
        """Compute the disparity that the network needs; None if it needs none."""
        if not self._engine.uses_disparity:
            return None
        return (self._scale_matcher or self._matcher).match(frame)

    def _begin_matching(self, frame: StereoFrame) -> Future[DisparityMap]:
        """Start matching, in parallel if configured; the result is needed only at the end."""
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
        # A message's memory may be read-only; the pipeline never writes into it.
        warnings.filterwarnings('ignore', message='The given NumPy array is not writable')
        return torch.from_numpy(image)
