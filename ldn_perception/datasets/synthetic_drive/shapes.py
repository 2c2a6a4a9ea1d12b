# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Primitive shapes that every object of the street is put together from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Union

import numpy as np

from ldn_perception.datasets.synthetic_drive.surface import Mesh
from ldn_perception.errors import DatasetError

try:
    import trimesh
except ImportError as error:
    raise DatasetError(
        'the synthetic drive', must_be='run with trimesh installed', got='no trimesh',
        do='pip install "ldn_perception[synthetic]"', reason='missing_package',
    ) from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = Union[Sequence[float], 'NDArray[np.float64]']
"""(x, y, z) [m]."""


def vector(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Offset to add to a point [m]."""
    return np.array([x, y, z])


def box(center: Point, size: Point) -> Mesh:
    """Axis-aligned box; center and size in [m]."""
    unit = _unit_box()
    return Mesh(unit.vertices * size + center, unit.faces)


def ellipsoid(center: Point, semi_axes: Point, subdivisions: int = 2) -> Mesh:
    """Ellipsoid along the axes; center and semi-axes in [m]."""
    unit = _unit_sphere(subdivisions)
    return Mesh(unit.vertices * semi_axes + center, unit.faces)


def ring(center: Point, radius: float, thickness: float, sections: int = 24) -> Mesh:
    """Standing torus that rolls along x; radius and thickness of its tube in [m]."""
    torus = _bare(trimesh.creation.torus(radius, thickness, sections, 8))
    return Mesh(torus.vertices[:, [0, 2, 1]] + center, torus.faces)


@lru_cache(maxsize=1)
def _unit_box() -> Mesh:
    return _bare(trimesh.creation.box())


@lru_cache(maxsize=4)
def _unit_sphere(subdivisions: int) -> Mesh:
    return _bare(trimesh.creation.icosphere(subdivisions=subdivisions))


def _bare(mesh: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(mesh.vertices), np.array(mesh.faces))


def loft(sections: NDArray[np.float64]) -> Mesh:
    """Skin over cross-sections, closed at both ends.

    Args:
        sections: (S, P, 3), P points around each of S cross-sections [m].
    """
    count, points, _ = sections.shape
    return Mesh(sections.reshape(-1, 3), _loft_faces(count, points))


@lru_cache(maxsize=32)
def _loft_faces(count: int, points: int) -> NDArray[np.int64]:
    start = (np.arange(count - 1)[:, None] * points + np.arange(points)).ravel()
    next_ = (np.arange(count - 1)[:, None] * points + (np.arange(points) + 1) % points).ravel()
    fan = np.stack([np.zeros(points - 2, int), np.arange(1, points - 1), np.arange(2, points)], 1)
    return np.concatenate([
        np.stack([start, next_, start + points], axis=1),
        np.stack([next_, next_ + points, start + points], axis=1),
        fan[:, ::-1],
        fan + (count - 1) * points,
    ])


def tube(path: Sequence[Point], radii: Sequence[float], sections: int = 10) -> Mesh:
    """Round tube along a path.

    Args:
        path: Points of its axis, at least two [m].
        radii: Radius at each of them [m].
        sections: Corners of its cross-section.
    """
    axis = np.asarray(path, float)
    along = np.gradient(axis, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    helper = np.eye(3)[np.abs(axis[-1] - axis[0]).argmin()]
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, sections, endpoint=False)[None, :, None]
    radius = np.asarray(radii, float)[:, None, None]
    circle = np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None]
    return loft(axis[:, None] + radius * circle)


def limb(start: Point, end: Point, radius: float, end_radius: float) -> Mesh:
    """Tube with rounded ends, such as an arm; all in [m]."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    path = [a, a + 0.08 * (b - a), b - 0.08 * (b - a), b]
    return tube(path, [0.5 * radius, radius, end_radius, 0.5 * end_radius], sections=6)


def disc(center: Point, radius: float, width: float, sections: int = 20) -> Mesh:
    """Wheel-like cylinder about the y axis; all in [m]."""
    x, y, z = center
    path = [(x, y - width / 2, z), (x, y + width / 2, z)]
    return tube(path, [radius, radius], sections)


def plate(center: Point, radius: float, corners: int, turn: float = 0.0) -> Mesh:
    """Thin polygon that faces along x, such as a traffic sign.

    Args:
        center: Its middle [m].
        radius: Distance of its corners [m].
        corners: Their number.
        turn: Rotation in its plane [rad].
    """
    x, y, z = center
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + turn
    outline = np.stack(
        [np.zeros(corners), y + radius * np.cos(angle), z + radius * np.sin(angle)], axis=1
    )
    return loft(np.stack([outline + vector(x - 0.015, 0, 0), outline + vector(x + 0.015, 0, 0)]))


def prism(outline: Sequence[tuple[float, float]], y_from: float, y_to: float) -> Mesh:
    """Convex outline in the (x, z) plane, extended along y; all in [m]."""
    points = np.array([(x, 0.0, z) for x, z in outline])
    return loft(np.stack([points + vector(0, y_from, 0), points + vector(0, y_to, 0)]))
