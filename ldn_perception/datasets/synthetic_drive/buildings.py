# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Houses, walls and fences along the street: front towards -y, left end at the origin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.datasets.synthetic_drive.materials import STOREY_M, Material
from ldn_perception.datasets.synthetic_drive.shapes import box, loft, vector
from ldn_perception.datasets.synthetic_drive.surface import Skin, Surface, train_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FACADES = (Material.FACADE_PLASTER, Material.FACADE_PLASTER, Material.FACADE_BRICK,
            Material.FACADE_OFFICE, Material.FACADE_OLD)
_PLASTER_COLORS = np.array([
    (0.95, 0.9, 0.78), (0.9, 0.8, 0.62), (0.95, 0.93, 0.9), (0.85, 0.7, 0.6), (0.8, 0.84, 0.86),
    (0.92, 0.78, 0.7), (0.78, 0.8, 0.7), (0.7, 0.72, 0.76),
])
_BRICK_COLORS = np.array([(0.78, 0.5, 0.42), (0.7, 0.45, 0.38), (0.85, 0.68, 0.52)])


def build_house(rng: np.random.Generator, bays: int, storeys: int, shop: bool) -> Surface:
    """Building with a facade of windows.

    Args:
        rng: Source of style and colour.
        bays: Window bays along the street, each 3.2 m.
        storeys: Number of storeys, each 3.2 m.
        shop: Whether the ground floor is a shop.
    """
    facade = _FACADES[rng.integers(len(_FACADES))]
    skin = Skin(facade, _wall_color(rng, facade), train_id('building'))
    ground = Skin(Material.SHOP, rng.uniform(0.6, 0.95, 3), skin.label) if shop else skin
    width, depth, height = bays * STOREY_M, 3 * STOREY_M, storeys * STOREY_M
    trim = Skin(Material.CONCRETE, rng.uniform(0.6, 0.95) * np.ones(3), skin.label)
    surfaces = [
        _block((0, 0, 0), (width, depth, STOREY_M), ground),
        _block((0, 0, STOREY_M), (width, depth, height), skin),
        _block((-0.12, -0.18, height), (width + 0.12, depth, height + 0.3), trim),
    ]
    if shop:
        surfaces.append(_block((0, -0.3, STOREY_M - 0.1), (width, 0.0, STOREY_M + 0.12), trim))
    elif rng.random() < 0.5:
        surfaces += _balconies(rng, bays, storeys, trim)
    if rng.random() < 0.6:
        surfaces.append(_gable(rng, width, depth, height + 0.3))
    return Surface.concatenate(surfaces)


def _wall_color(rng: np.random.Generator, facade: Material) -> np.ndarray:
    colors = _BRICK_COLORS if facade == Material.FACADE_BRICK else _PLASTER_COLORS
    return colors[rng.integers(len(colors))] * rng.uniform(0.9, 1.05)


def _block(low: tuple[float, ...], high: tuple[float, ...], skin: Skin) -> Surface:
    """Box between two corners."""
    low_corner, high_corner = np.array(low), np.array(high)
    return Surface.from_mesh(box((low_corner + high_corner) / 2, high_corner - low_corner), skin)


def _row(piece: Surface, stations: NDArray[np.float64]) -> Surface:
    """Copies of a piece along x, each with its own part of the texture."""
    corners = np.concatenate([piece.corners + np.array([x, 0, 0], np.float32) for x in stations])
    uv = np.concatenate([piece.uv + np.array([x, 0], np.float32) for x in stations])
    rest = Surface.concatenate([piece] * len(stations))
    return replace(rest, corners=corners, uv=uv)


def _balconies(
    rng: np.random.Generator, bays: int, storeys: int, trim: Skin
) -> list[Surface]:
    columns = [bay for bay in range(bays) if rng.random() < 0.4]
    surfaces = []
    for storey in range(1, storeys):
        for bay in columns:
            left, floor = bay * STOREY_M + 0.4, storey * STOREY_M + 0.15
            right = left + STOREY_M - 0.8
            surfaces.append(_block((left, -0.9, floor), (right, 0, floor + 0.12), trim))
            surfaces.append(_block((left, -0.9, floor + 0.85), (right, -0.84, floor + 0.95), trim))
            bar = _block((-0.02, -0.89, floor), (0.02, -0.85, floor + 0.9), trim)
            surfaces.append(_row(bar, np.linspace(left + 0.03, right - 0.03, 9)))
    return surfaces


def _gable(rng: np.random.Generator, width: float, depth: float, base: float) -> Surface:
    rise = rng.uniform(1.8, 3.2)
    eaves = 0.35
    outline = np.array([(0, -eaves, base), (0, depth, base), (0, depth / 2, base + rise)])
    mesh = loft(np.stack([outline - vector(0.2, 0, 0), outline + vector(width + 0.2, 0, 0)]))
    color = np.array([(0.75, 0.42, 0.33), (0.5, 0.45, 0.45), (0.62, 0.4, 0.34)])[rng.integers(3)]
    return Surface.from_mesh(mesh, Skin(Material.ROOF, color, train_id('building')))


def build_wall(rng: np.random.Generator, length_m: float) -> Surface:
    """Garden wall with a coping, about 2 m tall."""
    height = rng.uniform(1.5, 2.4)
    plastered = rng.random() < 0.4
    color = rng.uniform(0.7, 0.95, 3) if plastered else _BRICK_COLORS[rng.integers(3)]
    skin = Skin(Material.CONCRETE if plastered else Material.BRICK, color, train_id('wall'))
    coping = Skin(Material.CONCRETE, (0.75, 0.75, 0.73), skin.label)
    return Surface.concatenate([
        _block((0, 0, 0), (length_m, 0.25, height), skin),
        _block((0, -0.05, height), (length_m, 0.3, height + 0.1), coping),
    ])


def build_fence(rng: np.random.Generator, length_m: float) -> Surface:
    """Fence of boards or of bars that one sees through, about 1.3 m tall."""
    barred = rng.random() < 0.5
    color = rng.uniform(0.2, 0.45) * np.ones(3) if barred else rng.uniform(0.5, 0.95, 3)
    skin = Skin(Material.PAINT if barred else Material.WOOD, color, train_id('fence'))
    pitch, board = (0.16, 0.035) if barred else (0.17, 0.13)
    height = rng.uniform(1.0, 1.5)
    surfaces = [
        _block((0, 0.03, z), (length_m, 0.08, z + 0.07), skin) for z in (0.2, height - 0.25)
    ]
    picket = _block((0, 0, 0.05), (board, 0.03, height), skin)
    post = _block((0, 0, 0), (0.1, 0.1, height + 0.08), skin)
    surfaces.append(_row(picket, np.arange(0.0, length_m - board, pitch)))
    surfaces.append(_row(post, np.arange(0.0, length_m, 2.4)))
    return Surface.concatenate(surfaces)
