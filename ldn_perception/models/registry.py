# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The networks one can ask for by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.deeplab import DEEPLAB_PRESETS
from ldn_perception.models.initialisation import initialise
from ldn_perception.models.ladder_design import build_ladder_network
from ldn_perception.models.ladder_presets import LADDER_DESIGNS
from ldn_perception.models.names import MODEL_NAMES
from ldn_perception.models.scale_family import SCALE_FAMILY
from ldn_perception.models.segmentation_model import SegmentationModel

_BUILDERS: dict[str, Callable[[int], SegmentationModel]] = {
    **{
        name: partial(build_ladder_network, design) for name, design in LADDER_DESIGNS.items()
    },
    **SCALE_FAMILY,
    **DEEPLAB_PRESETS,
}
MODELS = {name: _BUILDERS[name] for name in MODEL_NAMES}
"""Name -> builder that takes the number of classes."""


def build_model(name: str, num_classes: int, seed: int = 0) -> SegmentationModel:
    """Build an untrained network on the CPU.

    Args:
        name: One of `MODELS`.
        num_classes: Number of logit channels, at least 1.
        seed: The same seed gives the same weights; the global random state is left as it was.

    Raises:
        ModelError: There is no such network, or it is asked for no class.
    """
    if name not in MODELS:
        raise ModelError(
            'model', must_be=f'one of {", ".join(MODELS)}', got=repr(name), do='choose one of them'
        )
    if num_classes < 1:
        raise ModelError(
            'num_classes', must_be='at least 1', got=num_classes, do='pass a taxonomy with classes'
        )
    with torch.random.fork_rng(devices=[]):
        model = MODELS[name](num_classes)
    initialise(model, seed)
    return model
