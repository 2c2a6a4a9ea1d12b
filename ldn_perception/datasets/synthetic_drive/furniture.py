# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What stands at the kerb: lamps, signs, traffic lights, bollards; facing -x, towards traffic."""

from __future__ import annotations

import numpy as np

from ldn_perception.datasets.synthetic_drive.materials import Material
from ldn_perception.datasets.synthetic_drive.shapes import box, ellipsoid, plate, tube
from ldn_perception.datasets.synthetic_drive.surface import Skin, Surface, train_id

_RED, _WHITE, _BLUE = (0.85, 0.1, 0.1), (0.95, 0.95, 0.95), (0.1, 0.3, 0.75)
_YELLOW, _BLACK = (0.95, 0.8, 0.1), (0.12, 0.12, 0.12)


def _post(height_m: float, radius_m: float, shade: float) -> Surface:
    skin = Skin(Material.CONCRETE, (shade,) * 3, train_id('pole'))
    path = [(0, 0, -0.05), (0, 0, 0.5), (0, 0, height_m)]
    return Surface.from_mesh(tube(path, [radius_m * 1.25, radius_m, 0.8 * radius_m]), skin)


def build_lamp(rng: np.random.Generator) -> Surface:
    """Street lamp 6.5 m tall whose arm reaches over -y."""
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
    """Traffic light on a post, one of its lamps lit."""
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
