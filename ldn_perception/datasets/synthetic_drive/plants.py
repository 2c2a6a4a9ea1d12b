# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, hedges and bushes."""

from __future__ import annotations

import numpy as np

from ldn_perception.datasets.synthetic_drive.materials import Material
from ldn_perception.datasets.synthetic_drive.shapes import ellipsoid, tube
from ldn_perception.datasets.synthetic_drive.surface import Mesh, Skin, Surface, train_id

_LEAF_COLORS = np.array([(0.62, 0.84, 0.45), (0.55, 0.74, 0.42), (0.74, 0.86, 0.42),
                         (0.86, 0.74, 0.4), (0.52, 0.7, 0.48)])


def build_tree(rng: np.random.Generator) -> Surface:
    """Broad-leaved tree, 5 to 9 m tall, trunk at the origin; all of it is vegetation."""
    label = train_id('vegetation')
    height = rng.uniform(5.0, 9.0)
    crown_base, spread = rng.uniform(2.2, 2.8), rng.uniform(1.4, 2.2)
    trunk = Skin(Material.BARK, rng.uniform(0.45, 0.65) * np.array([1.0, 0.85, 0.7]), label)
    lean = rng.normal(0, 0.12, 2)
    path = [(0, 0, -0.1), (*(0.3 * lean), 1.0), (*lean, crown_base), (*(2 * lean), 0.8 * height)]
    surfaces = [Surface.from_mesh(tube(path, [0.19, 0.14, 0.11, 0.04], 8), trunk)]
    color = _leaf_color(rng)
    for _ in range(6):
        angle, out = rng.uniform(0, 2 * np.pi), spread * np.sqrt(rng.uniform(0, 0.6))
        upward = rng.uniform(crown_base + 0.5, height - 0.7)
        center = (2 * lean[0] + out * np.cos(angle), 2 * lean[1] + out * np.sin(angle), upward)
        size = spread * rng.uniform(0.5, 0.75) * np.array([1, 1, rng.uniform(0.7, 1.0)])
        surfaces.append(_foliage(rng, center, size, color))
        surfaces.append(_loose_leaves(rng, center, size, color))
    return Surface.concatenate(surfaces)


def build_hedge(rng: np.random.Generator, length_m: float) -> Surface:
    """Hedge along x from the origin, about 1.3 m tall."""
    color = _leaf_color(rng)
    surfaces = []
    for x in np.arange(0.35, length_m, 0.9):
        size = (rng.uniform(0.65, 0.85), rng.uniform(0.4, 0.5), rng.uniform(0.6, 0.8))
        surfaces.append(_foliage(rng, (x, rng.normal(0, 0.05), 0.55), size, color, 1))
    return Surface.concatenate(surfaces)


def build_bush(rng: np.random.Generator) -> Surface:
    """Round bush, about 1.2 m across."""
    color = _leaf_color(rng)
    return Surface.concatenate(
        _foliage(rng, (*rng.normal(0, 0.3, 2), 0.35), rng.uniform(0.35, 0.6, 3), color, 1)
        for _ in range(3)
    )


def _leaf_color(rng: np.random.Generator) -> np.ndarray:
    return _LEAF_COLORS[rng.integers(len(_LEAF_COLORS))] * rng.uniform(0.85, 1.1, 3)


def _foliage(
    rng: np.random.Generator, center: tuple[float, ...], size: np.ndarray | tuple[float, ...],
    color: np.ndarray, subdivisions: int = 2,
) -> Surface:
    """Ragged clump of leaves: an ellipsoid whose vertices are pushed about."""
    smooth = ellipsoid((0, 0, 0), size, subdivisions)
    bumps = 1 + 0.16 * rng.standard_normal((len(smooth.vertices), 1))
    mesh = Mesh(smooth.vertices * np.clip(bumps, 0.6, 1.5) + center, smooth.faces)
    shade = color * rng.uniform(0.85, 1.12)
    return Surface.from_mesh(mesh, Skin(Material.LEAVES, shade, train_id('vegetation')))


def _loose_leaves(
    rng: np.random.Generator, center: tuple[float, ...], size: np.ndarray, color: np.ndarray
) -> Surface:
    """Twigs that stand out of a clump and make its outline ragged: single triangles."""
    count = 130
    outward = rng.standard_normal((count, 1, 3))
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    corners = outward * size * rng.uniform(0.9, 1.2, (count, 1, 1)) + center
    corners = corners + rng.normal(0, 0.16, (count, 3, 3))
    mesh = Mesh(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))
    return Surface.from_mesh(mesh, Skin(Material.LEAVES, 1.05 * color, train_id('vegetation')))
