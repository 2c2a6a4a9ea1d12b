# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ray casting: where rays meet a surface and whether something is in their way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.datasets.synthetic_drive.surface import Surface
from ldn_perception.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hits:
    """Where N rays meet a surface first.

    Attributes:
        distance: (N,) float32 in lengths of the ray's direction, inf where it meets nothing.
        triangle: (N,) int32 number of the triangle, -1 where it meets nothing.
        weights: (N, 2) float32 barycentric weights of the second and third corner.
    """

    distance: NDArray[np.float32]
    triangle: NDArray[np.int32]
    weights: NDArray[np.float32]


class RayScene:
    """A surface that rays can be cast at.

    Source: Wald et al., Embree: a kernel framework for efficient CPU ray tracing, SIGGRAPH 2014.

    Args:
        surface: What is in the scene; may be empty.

    Attributes:
        surface: The same.
        corner_values: (F, 18) float32, what a pixel needs of its triangle in one look-up.
        kinds: (F, 3) uint8, material, label and foreign.
    """

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.corner_values = _corner_values(surface)
        self.kinds = np.stack(
            [surface.material, surface.label, surface.foreign.astype(np.uint8)], axis=1
        )
        self._embree = _build_embree(surface.corners) if len(surface) else None

    def cast(self, origins: NDArray[np.float32], directions: NDArray[np.float32]) -> Hits:
        """First hit of each ray.

        Args:
            origins: (N, 3) float32 [m].
            directions: (N, 3) float32 of any length.
        """
        count = len(origins)
        if self._embree is None:
            return Hits(np.full(count, np.inf, np.float32), np.full(count, -1, np.int32),
                        np.zeros((count, 2), np.float32))
        found = self._embree.run(origins, directions, output=1)
        distance = np.where(found['primID'] < 0, np.float32(np.inf), found['tfar'])
        weights = np.stack([found['u'], found['v']], axis=1)
        return Hits(distance, found['primID'], weights)

    def is_blocked(
        self, origins: NDArray[np.float32], directions: NDArray[np.float32], reach: float
    ) -> NDArray[np.bool_]:
        """Whether anything is in the way of each ray.

        Args:
            origins: (N, 3) float32 [m].
            directions: (N, 3) float32 of any length.
            reach: How far to look, in lengths of the direction.

        Returns:
            (N,) bool.
        """
        if self._embree is None or len(origins) == 0:
            return np.zeros(len(origins), np.bool_)
        limits = np.full(len(origins), reach, np.float32)
        return self._embree.run(origins, directions, limits, query='OCCLUDED') >= 0


def check_ray_caster() -> None:
    """Make sure that rays can be cast.

    Raises:
        DatasetError: embreex is not installed.
    """
    try:
        import embreex  # noqa: F401
    except ImportError as error:
        raise DatasetError(
            'the synthetic drive', must_be='run with embreex installed', got='no embreex',
            do='pip install "ldn_perception[synthetic]"', reason='missing_package',
        ) from error


def _build_embree(corners: NDArray[np.float32]) -> Any:
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(corners))
    return scene


def _corner_values(surface: Surface) -> NDArray[np.float32]:
    """(F, 18): uv and normal of the first corner, their steps to the others, the colour."""
    values = np.concatenate([surface.uv, surface.normals], axis=2)  # (F, 3, 5)
    values[:, 1:] -= values[:, :1]
    return np.concatenate([values.reshape(-1, 15), surface.color], axis=1)
