# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Catalogue of the networks and weights that can be loaded by name."""


from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ldn_perception.config import PerceptionConfig
from ldn_perception.models.registry import MODELS
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.weights import find_shipped_weights, find_what_weights_are_for, shipped_names


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
