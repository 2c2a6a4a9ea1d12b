# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks and engines by name, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterable
import copy
from dataclasses import dataclass
import os
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.nn import functional as F

from ldn_perception.build import find_weights
from ldn_perception.config import ModelConfig
from ldn_perception.errors import InferenceError
from ldn_perception.hardware import PRECISIONS, choose_precision
from ldn_perception.inference.backends import build_backend
from ldn_perception.inference.calibration import INT8, CalibrationImages
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Engine
from ldn_perception.inference.exports import ArtefactCache
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import IMAGENET, Normalisation, SegmentationModel
from ldn_perception.models.weights import load_weights
from ldn_perception.taxonomy import TAXONOMIES

TORCH = 'torch'
USUAL_ENGINES = {
    'cpu': (TORCH, 'onnxruntime', 'openvino'),
    'cuda': (TORCH, 'compiled', 'onnxruntime', 'tensorrt'),
}


def parse_size(text: str) -> ImageSize:
    """Parse an image size, WIDTHxHEIGHT."""
    width, _, height = text.partition('x')
    return ImageSize(int(width), int(height))


def load_network(config: ModelConfig) -> tuple[SegmentationModel, Normalisation]:
    """Load the network of a configuration, with random weights if it names none."""
    class_names = TAXONOMIES[config.taxonomy].class_names
    model = build_model(config.name, len(class_names)).eval()
    weights = find_weights(config)
    if weights is None:
        return model, IMAGENET
    return model, load_weights(weights, model, config.name, class_names).normalisation


@dataclass(frozen=True, slots=True)
class StartedEngine:
    """Engine after its first run.

    Attributes:
        engine: The engine.
        export_s: Time to export the network [s]; 0 if it was cached or is not exported.
        start_s: Time to load the engine and run it for the first time [s].
    """

    engine: Engine
    export_s: float
    start_s: float


class EngineMaker:
    """Builds engines for one network and one image size.

    Args:
        model: The network; it is not changed.
        normalisation: Normalisation it was trained with.
        size: Size of the images.
        device: Device of the engines.
        folder: Folder of exported networks.
        calibration: Calibration images for int8 engines; None for no int8.
    """

    def __init__(
        self, model: SegmentationModel, normalisation: Normalisation, size: ImageSize,
        device: torch.device, folder: Path, calibration: CalibrationImages | None = None,
    ) -> None:
        self._model = model
        self._normalisation = normalisation
        self._size = size
        self._device = device
        self._cache = ArtefactCache(folder)
        self._calibration = calibration

    def make(self, name: str, precision: str) -> StartedEngine:
        """Build an engine.

        Raises:
            InferenceError: Its library is missing or does not support the request.
        """
        model, dtype = copy.deepcopy(self._model), choose_precision(precision, self._device)
        started = exported = time.perf_counter()
        if name == TORCH:
            engine: Engine = TorchEngine(model, self._device, dtype, self._normalisation)
        else:
            backend = build_backend(
                name, self._device, dtype, os.cpu_count() or 1,
                self._calibration if precision == INT8 else None)
            network = DeployedNetwork(model, self._normalisation).to(self._device)
            artefact = self._cache.ensure(backend, network, self._size)
            exported = time.perf_counter()
            engine = backend.load(network, self._size, artefact)
        engine.run(torch.zeros(self._size.height_px, self._size.width_px, 3, dtype=torch.uint8))
        return StartedEngine(engine, exported - started, time.perf_counter() - exported)

    def make_all(
        self, names: Iterable[str], precisions: Iterable[str] = tuple(PRECISIONS),
    ) -> dict[str, StartedEngine]:
        """Build every available engine and precision, by title; report unavailable ones.

        Calibration images add int8, except for torch, which has no int8.
        """
        made = {}
        for name in names:
            has_int8 = self._calibration is not None and name != TORCH
            for precision in (*precisions, *([INT8] if has_int8 else [])):
                try:
                    made[f'{name} {precision}'] = self.make(name, precision)
                except InferenceError as error:
                    print(f'left out: {name} {precision}: {error}')
        return made


class PlainEager:
    """Network without engines: the baseline.

    Numpy normalises, torch computes in float32 with contiguous channel planes, and the logits are
    upsampled to the image before the arg-max.

    Args:
        model: The network; it is not changed.
        normalisation: Normalisation it was trained with.
        device: Device of the network.
    """

    def __init__(
        self, model: SegmentationModel, normalisation: Normalisation, device: torch.device,
    ) -> None:
        self._model = copy.deepcopy(model).eval().to(device)
        self._mean = np.array(normalisation.mean, np.float32)
        self._std = np.array(normalisation.std, np.float32)
        self._device = device

    def normalise(self, image: NDArray[np.uint8]) -> Tensor:
        """Convert an image (H, W, 3) uint8 to the network input, (1, 3, H, W) float32."""
        normalised = (image.astype(np.float32) / 255 - self._mean) / self._std
        planes = np.ascontiguousarray(normalised.transpose(2, 0, 1))
        return torch.from_numpy(planes)[None].to(self._device)

    @torch.inference_mode()
    def logits(self, normalised: Tensor) -> Tensor:
        """Compute the logits at the network's own resolution."""
        return self._model(normalised).logits

    @torch.inference_mode()
    def labels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Most probable class of every pixel, (H, W) uint8."""
        logits = F.interpolate(
            self.logits(self.normalise(image)), image.shape[:2], mode='bilinear',
            align_corners=False)
        return logits.argmax(1)[0].to(torch.uint8).cpu().numpy()
