# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Trained network built from its weights file, for verbs that run it over images."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.build import DEFAULT_THRESHOLD, build_device, build_engine, find_taxonomy
from ldn_perception.cli import options
from ldn_perception.config import InferenceConfig
from ldn_perception.errors import EvaluationError
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.inference.engine import Engine
from ldn_perception.inference.torch_engine import ResizedEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import WeightsHeader, load_weights, read_weights_header
from ldn_perception.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A network that is ready to run.

    Attributes:
        engine: Engine that runs the network.
        taxonomy: Class list of the network.
        header: Header of its weights file.
    """

    engine: Engine
    taxonomy: Taxonomy
    header: WeightsHeader

    @property
    def ood_threshold(self) -> float:
        """Foreign probability above which a pixel is out of distribution, in [0, 1]."""
        threshold = self.header.ood_threshold
        return DEFAULT_THRESHOLD if threshold is None else threshold

    def logits(
        self, image: NDArray[np.uint8], pixels_per_metre: NDArray[np.float32] | None,
    ) -> torch.Tensor:
        """Logits of an image, upsampled bilinearly to its size like in the decoders.

        Args:
            image: (H, W, 3) uint8 RGB.
            pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; None without stereo.

        Returns:
            (C, H, W) float32 on the engine's device.

        Raises:
            EvaluationError: The network selects its scales by stereo and there is none.
        """
        sizes = None
        if self.engine.uses_disparity:
            if pixels_per_metre is None:
                raise EvaluationError(
                    'dataset', must_be=f'with stereo, which {self.header.model_name} needs',
                    got='none', do='choose another dataset or network')
            sizes = torch.from_numpy(np.ascontiguousarray(pixels_per_metre))
        logits = self.engine.run(torch.from_numpy(np.ascontiguousarray(image)), sizes)
        with torch.inference_mode():
            return F.interpolate(
                logits.float(), image.shape[:2], mode='bilinear', align_corners=False)[0]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the network and its engine.

    Engines other than torch export the network for each image size, so --size should be given if
    image sizes differ.
    """
    options.add_size(parser)
    options.add_inference(parser, device='auto', engine='torch', precision='float32')
    options.add_calibration_images(parser)


def load_trained_model(
    weights: Path, given: argparse.Namespace, *, multi_scale: bool = False,
) -> TrainedModel:
    """Build the network of a weights file.

    Args:
        weights: The file.
        given: Options declared by `add_model_arguments`.
        multi_scale: True to average several scales of the image.

    Raises:
        ModelError: The file is missing or damaged, or its network is unknown.
        ConfigError: Its classes match no taxonomy, or the size is invalid.
        InferenceError: The device or the engine is not available.
    """
    keep_freed_memory()
    header = read_weights_header(weights)
    taxonomy = find_taxonomy(weights, header)
    config = InferenceConfig(
        device=given.device, precision=given.precision, engine=given.engine,
        calibration_images=given.calibration_images, multi_scale=multi_scale)
    size = None if given.size is None else options.parse_size(given.size)
    model = build_model(header.model_name, len(taxonomy))
    load_weights(weights, model, header.model_name, header.class_names)
    engine = build_engine(
        model, build_device(config), config, header.normalisation, weights)
    if size is not None:
        engine = ResizedEngine(engine, *size)
    return TrainedModel(engine, taxonomy, header)
