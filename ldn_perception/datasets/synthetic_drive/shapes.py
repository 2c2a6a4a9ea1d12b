# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Primitive shapes that every object of the street is put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import DatasetError

try:
    import trimesh
except ImportError as error:
    raise DatasetError(
        'the synthetic drive', must_be='run with trimesh installed', got='no trimesh',
        do='pip install trimesh embreex', reason='missing_package',
    ) from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = Sequence[float]
"""(x, y, z) [m]."""


def box(center: Point, size: Point) -> trimesh.Trimesh:
    """Axis-aligned box; center and size in [m]."""
    mesh = trimesh.creation.box(extents=size)
    mesh.apply_translation(center)
    return mesh


def ellipsoid(center: Point, semi_axes: Point, subdivisions: int = 2) -> trimesh.Trimesh:
    """Ellipsoid along the axes; center and semi-axes in [m]."""
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    mesh.apply_scale(semi_axes)
    mesh.apply_translation(center)
    return mesh


def ring(center: Point, radius: float, thickness: float, sections: int = 24) -> trimesh.Trimesh:
    """Standing torus that rolls along x; radius and thickness of its tube in [m]."""
    mesh = trimesh.creation.torus(radius, thickness, major_sections=sections, minor_sections=8)
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    mesh.apply_translation(center)
    return mesh


def loft(sections: NDArray[np.float64]) -> trimesh.Trimesh:
    """Skin over cross-sections, closed at both ends.

    Args:
        sections: (S, P, 3), P points around each of S cross-sections [m].
    """
    count, points, _ = sections.shape
    start = (np.arange(count - 1)[:, None] * points + np.arange(points)).ravel()
    next_ = (np.arange(count - 1)[:, None] * points + (np.arange(points) + 1) % points).ravel()
    fan = np.stack([np.zeros(points - 2), np.arange(1, points - 1), np.arange(2, points)], axis=1)
    faces = np.concatenate([
        np.stack([start, next_, start + points], axis=1),
        np.stack([next_, next_ + points, start + points], axis=1),
        fan[:, ::-1],
        fan + (count - 1) * points,
    ]).astype(np.int64)
    return trimesh.Trimesh(sections.reshape(-1, 3), faces, process=False)


def tube(path: Sequence[Point], radii: Sequence[float], sections: int = 10) -> trimesh.Trimesh:
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


def limb(start: Point, end: Point, radius: float, end_radius: float) -> trimesh.Trimesh:
    """Tube with rounded ends, such as an arm; all in [m]."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    path = [a, a + 0.08 * (b - a), b - 0.08 * (b - a), b]
    return tube(path, [0.5 * radius, radius, end_radius, 0.5 * end_radius], sections=8)


def disc(center: Point, radius: float, width: float, sections: int = 20) -> trimesh.Trimesh:
    """Wheel-like cylinder about the y axis; all in [m]."""
    x, y, z = center
    path = [(x, y - width / 2, z), (x, y + width / 2, z)]
    return tube(path, [radius, radius], sections)


def plate(center: Point, radius: float, corners: int, turn: float = 0.0) -> trimesh.Trimesh:
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
    return loft(np.stack([outline + (x - 0.015, 0, 0), outline + (x + 0.015, 0, 0)]))


def prism(outline: Sequence[tuple[float, float]], y_from: float, y_to: float) -> trimesh.Trimesh:
    """Convex outline in the (x, z) plane, extended along y; all in [m]."""
    points = np.array([(x, 0.0, z) for x, z in outline])
    return loft(np.stack([points + (0, y_from, 0), points + (0, y_to, 0)]))
