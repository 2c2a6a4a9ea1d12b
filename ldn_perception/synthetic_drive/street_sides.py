# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Buildings, plants and street furniture beside the road."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.synthetic_drive.materials import STOREY_M, Material
from ldn_perception.synthetic_drive.shapes import (
    Mesh,
    Skin,
    Surface,
    box,
    ellipsoid,
    loft,
    plate,
    train_id,
    tube,
    vector,
)

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
        rng: Random generator of style and colour.
        bays: Window bays along the street, each 3.2 m.
        storeys: Number of storeys, each 3.2 m.
        shop: True if the ground floor is a shop.
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
    color: np.ndarray = colors[rng.integers(len(colors))] * rng.uniform(0.9, 1.05)
    return color


def _block(low: tuple[float, ...], high: tuple[float, ...], skin: Skin) -> Surface:
    """Box between two corners."""
    low_corner, high_corner = np.array(low), np.array(high)
    return Surface.from_mesh(box((low_corner + high_corner) / 2, high_corner - low_corner), skin)


def _row(piece: Surface, stations: NDArray[np.float64]) -> Surface:
    """Copies of a piece along x, each with another part of the texture."""
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
    """Board fence, or see-through bar fence, about 1.3 m tall."""
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


_LEAF_COLORS = np.array([(0.62, 0.84, 0.45), (0.55, 0.74, 0.42), (0.74, 0.86, 0.42),
                         (0.86, 0.74, 0.4), (0.52, 0.7, 0.48)])


def build_tree(rng: np.random.Generator) -> Surface:
    """Broad-leaved tree, 5 to 9 m tall, trunk at the origin; labelled as vegetation."""
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
    color: np.ndarray = _LEAF_COLORS[rng.integers(len(_LEAF_COLORS))] * rng.uniform(0.85, 1.1, 3)
    return color


def _foliage(
    rng: np.random.Generator, center: tuple[float, ...], size: np.ndarray | tuple[float, ...],
    color: np.ndarray, subdivisions: int = 2,
) -> Surface:
    """Ragged clump of leaves: an ellipsoid with randomly displaced vertices."""
    smooth = ellipsoid((0, 0, 0), size, subdivisions)
    bumps = 1 + 0.16 * rng.standard_normal((len(smooth.vertices), 1))
    mesh = Mesh(smooth.vertices * np.clip(bumps, 0.6, 1.5) + center, smooth.faces)
    shade = color * rng.uniform(0.85, 1.12)
    return Surface.from_mesh(mesh, Skin(Material.LEAVES, shade, train_id('vegetation')))


def _loose_leaves(
    rng: np.random.Generator, center: tuple[float, ...], size: np.ndarray, color: np.ndarray
) -> Surface:
    """Twigs that give a clump a ragged outline: single triangles."""
    count = 130
    outward = rng.standard_normal((count, 1, 3))
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    corners = outward * size * rng.uniform(0.9, 1.2, (count, 1, 1)) + center
    corners = corners + rng.normal(0, 0.16, (count, 3, 3))
    mesh = Mesh(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))
    return Surface.from_mesh(mesh, Skin(Material.LEAVES, 1.05 * color, train_id('vegetation')))


_RED, _WHITE, _BLUE = (0.85, 0.1, 0.1), (0.95, 0.95, 0.95), (0.1, 0.3, 0.75)
_YELLOW, _BLACK = (0.95, 0.8, 0.1), (0.12, 0.12, 0.12)


def _post(height_m: float, radius_m: float, shade: float) -> Surface:
    skin = Skin(Material.CONCRETE, (shade,) * 3, train_id('pole'))
    path = [(0, 0, -0.05), (0, 0, 0.5), (0, 0, height_m)]
    return Surface.from_mesh(tube(path, [radius_m * 1.25, radius_m, 0.8 * radius_m]), skin)


def build_lamp(rng: np.random.Generator) -> Surface:
    """Street lamp 6.5 m tall with an arm towards -y."""
    shade = rng.uniform(0.35, 0.7)
    skin = Skin(Material.CONCRETE, (shade,) * 3, train_id('pole'))
    arm = tube([(0, 0, 6.4), (0, -0.5, 6.75), (0, -1.6, 6.85)], [0.06, 0.05, 0.04], 8)
    head = box((0, -1.9, 6.84), (0.28, 0.7, 0.12))
    return Surface.concatenate([
        _post(6.5, 0.09, shade), Surface.from_mesh(arm, skin), Surface.from_mesh(head, skin),
    ])


def build_sign(rng: np.random.Generator) -> Surface:
    """Traffic sign on a post: prohibition, warning, direction, stop or crossing."""
    height = rng.uniform(2.1, 2.6)
    faces = _SIGN_FACES[rng.integers(len(_SIGN_FACES))]
    label = train_id('traffic sign')
    surfaces = [_post(height + 0.3, 0.04, 0.65)]
    for layer, (radius, corners, turn, color) in enumerate(faces):
        mesh = plate((-0.06 - 0.012 * layer, 0, height), radius, corners, turn)
        surfaces.append(Surface.from_mesh(mesh, Skin(Material.PAINT, color, label)))
    return Surface.concatenate(surfaces)


_SIGN_FACES = (
    # layers from back to front: radius [m], corners, turn [rad], colour
    ((0.36, 20, 0.0, _RED), (0.28, 20, 0.0, _WHITE), (0.1, 4, 0.8, _BLACK)),
    ((0.46, 3, np.pi / 2, _RED), (0.31, 3, np.pi / 2, _WHITE), (0.09, 4, 0.0, _BLACK)),
    ((0.36, 20, 0.0, _BLUE), (0.17, 3, 0.0, _WHITE)),
    ((0.4, 8, np.pi / 8, _WHITE), (0.37, 8, np.pi / 8, _RED), (0.15, 4, np.pi / 4, _WHITE)),
    ((0.45, 4, np.pi / 4, _BLUE), (0.27, 3, np.pi / 2, _WHITE), (0.1, 5, 0.0, _BLACK)),
    ((0.42, 4, 0.0, _WHITE), (0.36, 4, 0.0, _YELLOW)),
)


def build_traffic_light(rng: np.random.Generator) -> Surface:
    """Traffic light on a post with one lamp lit."""
    label = train_id('traffic light')
    housing = Skin(Material.RUBBER, (0.25, 0.27, 0.25), label)
    surfaces = [_post(3.4, 0.06, 0.5)]
    surfaces.append(Surface.from_mesh(box((-0.12, 0, 2.95), (0.2, 0.32, 0.95)), housing))
    if rng.random() < 0.4:
        board = plate((-0.1, 0, 2.95), 0.72, 4, np.pi / 4)
        surfaces.append(Surface.from_mesh(board, Skin(Material.RUBBER, _BLACK, label)))
    lit = rng.integers(3)
    lamps = ((3.25, (1.0, 0.1, 0.08)), (2.95, (1.0, 0.7, 0.1)), (2.65, (0.1, 0.95, 0.45)))
    for index, (z, color) in enumerate(lamps):
        shown = np.array(color) * (1.0 if index == lit else 0.3)
        material = Material.LAMP if index == lit else Material.PAINT
        lamp = ellipsoid((-0.22, 0, z), (0.05, 0.11, 0.11))
        surfaces.append(Surface.from_mesh(lamp, Skin(material, shown, label)))
    return Surface.concatenate(surfaces)


def build_bollard(rng: np.random.Generator) -> Surface:
    """Bollard 0.9 m tall."""
    band = Skin(Material.PAINT, (_WHITE, _RED)[rng.integers(2)], train_id('pole'))
    path = [(0, 0, 0.68), (0, 0, 0.8)]
    return Surface.concatenate([
        _post(0.9, 0.07, rng.uniform(0.25, 0.6)), Surface.from_mesh(tube(path, [0.075] * 2), band),
    ])
