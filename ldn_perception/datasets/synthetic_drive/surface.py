# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A triangle surface with everything the renderer needs to know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np

from ldn_perception.datasets.synthetic_drive.materials import Material
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy import CITYSCAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

Color = Union[tuple[float, float, float], 'NDArray[np.float64]']
"""RGB reflectance, each in [0, 1], square-root coded as the textures are."""

_CREASE_COSINE = 0.8


class Mesh(NamedTuple):
    """A bare shape: vertices (V, 3) [m] and faces (F, 3) of vertex numbers."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Skin:
    """What covers a piece of an object.

    Attributes:
        material: Texture.
        color: Colour the texture is multiplied with.
        label: Cityscapes train id, 255 for void.
        foreign: Whether the piece belongs to an object that has no place on a road.
    """

    material: Material
    color: Color
    label: int
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """F triangles in the frame of their object (x forward, y left, z up) [m].

    Attributes:
        corners: (F, 3, 3) float32, corner by axis [m].
        normals: (F, 3, 3) float32, unit normal at each corner.
        uv: (F, 3, 2) float32, texture coordinates at each corner [m].
        color: (F, 3) float32, colour the texture is multiplied with.
        label: (F,) uint8 Cityscapes train id, 255 = void.
        material: (F,) uint8 number of the material.
        foreign: (F,) bool, part of a foreign object.
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
        """Cover a mesh with a skin.

        Args:
            mesh: Vertices [m] and faces.
            skin: What covers it.
            uv: (V, 2) texture coordinates of the vertices [m]; by default every face is
                projected along the axis it faces most.
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
        """All triangles of several surfaces, in their order; none of none."""
        parts = [EMPTY_SURFACE, *surfaces]
        return cls(
            *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls))
        )

    def placed(
        self, x: float, y: float, z: float = 0.0, yaw: float = 0.0, scale: float = 1.0
    ) -> Surface:
        """The same surface elsewhere.

        Args:
            x: Position of the object's origin [m].
            y: Position of the object's origin [m].
            z: Position of the object's origin [m].
            yaw: Rotation about z, left positive [rad].
            scale: Size factor; textures keep their scale on the object.
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
"""Label of what has no Cityscapes class."""

EMPTY_SURFACE = Surface(
    np.zeros((0, 3, 3), np.float32), np.zeros((0, 3, 3), np.float32),
    np.zeros((0, 3, 2), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.uint8),
    np.zeros(0, np.uint8), np.zeros(0, np.bool_),
)
"""No triangles."""


def _face_normals(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    ax, ay, az = (corners[:, 1] - corners[:, 0]).T
    bx, by, bz = (corners[:, 2] - corners[:, 0]).T
    normals = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)
    return normals / np.maximum(_lengths(normals), 1e-12)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))


def _corner_normals(
    faces: NDArray[np.int64], flat: NDArray[np.float64], num_vertices: int
) -> NDArray[np.float64]:
    """Mean normal of the faces about each vertex, or the face's own across a crease."""
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
