# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The corridor: a frame in, a result out."""

from __future__ import annotations

import time
import warnings

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.frames import (
    CameraGeometry,
    DisparityMap,
    PerceptionResult,
    Quantity,
    StereoFrame,
)
from ldn_perception.inference.engine import Engine
from ldn_perception.segmentation.decoder import Decoder, OodRule
from ldn_perception.stereo.matcher import Matcher


class StereoSegmentationPipeline:
    """Disparity, network and decision for one pair at a time.

    Args:
        matcher: Finds the disparity.
        engine: Runs the network.
        decoder: Decides every pixel.
        rule: Out-of-distribution threshold and label policy; may be replaced at any time, the
            next frame follows it.
    """

    def __init__(
        self, matcher: Matcher, engine: Engine, decoder: Decoder, rule: OodRule,
    ) -> None:
        self._matcher = matcher
        self._engine = engine
        self._decoder = decoder
        self.rule = rule

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

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        started = time.perf_counter()
        disparity = None
        if self._engine.uses_disparity or Quantity.DISPARITY in quantities:
            disparity = self._matcher.match(frame)
        matched = time.perf_counter()

        logits = self._engine.run(
            _as_tensor(frame.left),
            pixels_per_metre(disparity, frame.geometry)
            if disparity is not None and self._engine.uses_disparity else None)
        inferred = time.perf_counter()

        segmentation = self._decoder.decode(logits, frame.left, self.rule, quantities)
        decoded = time.perf_counter()
        return PerceptionResult(frame, segmentation, disparity, {
            'disparity': matched - started,
            'network': inferred - matched,
            'decode': decoded - inferred,
        })


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
