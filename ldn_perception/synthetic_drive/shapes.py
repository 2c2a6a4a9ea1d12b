# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Primitive shapes, and triangle surfaces built from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np

from ldn_perception.errors import DatasetError
from ldn_perception.synthetic_drive.materials import Material
from ldn_perception.taxonomy import CITYSCAPES
from ldn_perception.types import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    import trimesh
except ImportError as error:
    raise DatasetError(
        'the synthetic drive', must_be='run with trimesh installed', got='no trimesh',
        do='pip install "ldn_perception[synthetic]"', reason='missing_package',
    ) from error

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
    """Standing torus that rolls along x; radius and tube thickness in [m]."""
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
    """Closed surface over cross-sections.

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
        path: Points of the axis, at least two [m].
        radii: Radius at each point [m].
        sections: Number of corners of the cross-section.
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
    """Thin polygon that faces along x, e.g. a traffic sign.

    Args:
        center: Centre [m].
        radius: Distance of the corners from the centre [m].
        corners: Number of corners.
        turn: Rotation in the plane [rad].
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


Color = Union[tuple[float, float, float], 'NDArray[np.float64]']
"""RGB reflectance, each in [0, 1], square-root coded like the textures."""

_CREASE_COSINE = 0.8


class Mesh(NamedTuple):
    """Triangle mesh: vertices (V, 3) [m] and faces (F, 3) of vertex numbers."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Skin:
    """Appearance and labels of a part of an object.

    Attributes:
        material: Texture.
        color: RGB factor of the texture.
        label: Cityscapes train id, 255 for void.
        foreign: True if the part belongs to a foreign object.
    """

    material: Material
    color: Color
    label: int
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """F triangles in the object frame (x forward, y left, z up) [m].

    Attributes:
        corners: (F, 3, 3) float32, corner by axis [m].
        normals: (F, 3, 3) float32, unit normal at each corner.
        uv: (F, 3, 2) float32, texture coordinates at each corner [m].
        color: (F, 3) float32, RGB factor of the texture.
        label: (F,) uint8 Cityscapes train id, 255 = void.
        material: (F,) uint8 material number.
        foreign: (F,) bool, True on foreign objects.
    """

    corners: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    color: NDArray[np.float32]
    label: NDArray[np.uint8]
    material: NDArray[np.uint8]
    foreign: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.corners)

    @classmethod
    def from_mesh(
        cls, mesh: Mesh, skin: Skin, uv: NDArray[np.float64] | None = None
    ) -> Surface:
        """Apply a skin to a mesh.

        Args:
            mesh: Vertices [m] and faces.
            skin: Appearance and labels.
            uv: (V, 2) texture coordinates of the vertices [m]; by default each face is projected
                along its dominant axis.
        """
        faces = mesh.faces
        corners = mesh.vertices[faces]  # (F, 3, 3)
        flat = _face_normals(corners)
        count = len(faces)
        return cls(
            corners.astype(np.float32),
            _corner_normals(faces, flat, len(mesh.vertices)).astype(np.float32),
            (_projected_uv(corners, flat) if uv is None else uv[faces]).astype(np.float32),
            np.tile(np.asarray(skin.color, np.float32), (count, 1)),
            np.full(count, skin.label, np.uint8),
            np.full(count, skin.material, np.uint8),
            np.full(count, skin.foreign),
        )

    @classmethod
    def concatenate(cls, surfaces: Iterable[Surface]) -> Surface:
        """Concatenate the triangles of surfaces in order; empty without surfaces."""
        parts = [EMPTY_SURFACE, *surfaces]
        return cls(
            *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls))
        )

    def placed(
        self, x: float, y: float, z: float = 0.0, yaw: float = 0.0, scale: float = 1.0
    ) -> Surface:
        """Copy of the surface at another pose.

        Args:
            x: Position of the object's origin [m].
            y: Position of the object's origin [m].
            z: Position of the object's origin [m].
            yaw: Rotation about z, left positive [rad].
            scale: Scale factor; the texture scale on the object does not change.
        """
        cosine, sine = np.cos(yaw), np.sin(yaw)
        rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)
        corners = self.corners @ rotation * np.float32(scale) + np.array([x, y, z], np.float32)
        return Surface(
            corners, self.normals @ rotation, self.uv, self.color, self.label, self.material,
            self.foreign,
        )


def train_id(name: str) -> int:
    """Cityscapes train id of a class name."""
    return CITYSCAPES.class_names.index(name)


VOID = UNLABELLED
"""Label without a Cityscapes class."""

EMPTY_SURFACE = Surface(
    np.zeros((0, 3, 3), np.float32), np.zeros((0, 3, 3), np.float32),
    np.zeros((0, 3, 2), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.uint8),
    np.zeros(0, np.uint8), np.zeros(0, np.bool_),
)
"""Surface without triangles."""


def _face_normals(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    ax, ay, az = (corners[:, 1] - corners[:, 0]).T
    bx, by, bz = (corners[:, 2] - corners[:, 0]).T
    normals = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)
    return normals / np.maximum(_lengths(normals), 1e-12)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return lengths


def _corner_normals(
    faces: NDArray[np.int64], flat: NDArray[np.float64], num_vertices: int
) -> NDArray[np.float64]:
    """Mean normal of the faces at each vertex; the face normal at creases."""
    mean = np.zeros((num_vertices, 3))
    np.add.at(mean, faces.ravel(), np.repeat(flat, 3, axis=0))
    mean /= np.maximum(_lengths(mean), 1e-12)
    smooth = mean[faces]  # (F, 3, 3)
    own = np.broadcast_to(flat[:, None], smooth.shape)
    creased = (smooth * own).sum(axis=2, keepdims=True) < _CREASE_COSINE
    return np.where(creased, own, smooth)


def _projected_uv(
    corners: NDArray[np.float64], flat: NDArray[np.float64]
) -> NDArray[np.float64]:
    axes = np.array([[1, 2], [0, 2], [0, 1]])[np.abs(flat).argmax(axis=1)]  # (F, 2)
    return np.take_along_axis(corners, np.repeat(axes[:, None], 3, axis=1), axis=2)
