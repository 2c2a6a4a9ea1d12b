# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that come with the package; docs/weights.md says what each was trained on."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

SHIPPED = {
    ('ldn121_64_4', 'universal'): 'ldn121_road.safetensors',
    ('scale_invariant_small', 'synthetic_drive'): 'scale_invariant_small.safetensors',
    ('patch_embedding', 'stereo'): 'correspondence.safetensors',
}
"""Network, and taxonomy or purpose, -> file beside this one."""


def find_shipped_weights(model_name: str, taxonomy_name: str) -> Path | None:
    """File of the shipped weights for a network and taxonomy; None if none are shipped."""
    name = SHIPPED.get((model_name, taxonomy_name))
    return None if name is None else Path(__file__).with_name(name)


def shipped_for(model_name: str) -> tuple[str, ...]:
    """Taxonomies, or purposes, for which weights of a network are shipped."""
    return tuple(purpose for model, purpose in SHIPPED if model == model_name)


def shipped_names(purposes: Container[str]) -> tuple[str, ...]:
    """Names of the shipped weights whose taxonomy or purpose is one of these."""
    return tuple(
        Path(name).stem for (_, purpose), name in SHIPPED.items() if purpose in purposes)


def find_what_weights_are_for(file_stem: str) -> tuple[str, str] | None:
    """Network, and taxonomy or purpose, of the file of this name; None if there is none."""
    return next((key for key, name in SHIPPED.items() if Path(name).stem == file_stem), None)
