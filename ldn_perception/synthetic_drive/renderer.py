# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ray-cast camera images with depth, labels and occlusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ldn_perception.errors import DatasetError
from ldn_perception.synthetic_drive.materials import Lighting, Material, TextureAtlas
from ldn_perception.synthetic_drive.shapes import Surface, train_id
from ldn_perception.synthetic_drive.street import crossing_paint, lane_paint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.types import CameraGeometry

_SHADOW_REACH_M = 200.0
_SHADOW_LIFT_M = 0.02
_BEFORE_THE_POINT = 1 - 2e-4
_LENS_BLUR_PX = 0.55
_EXPOSURE = 1.12
_CLOUD_HEIGHT_M = 900.0
_PAINT_COLOR = 0.86
_BAND_ROWS = 32


@dataclass(frozen=True, slots=True)
class View:
    """Rendered view of one camera; N = H W pixels, row by row.

    Attributes:
        image: (H, W, 3) float32 in [0, 255], before sensor noise.
        depth_m: (N,) float32 along the optical axis, inf for the sky.
        labels: (N,) uint8 Cityscapes train ids, 255 = void.
        foreign: (N,) bool, True on foreign objects.
        directions: (N, 3) float32 ray directions with depth 1.
    """

    image: NDArray[np.float32]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    directions: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Points:
    """Surface points of the N pixels of a view."""

    depth_m: NDArray[np.float32]
    seen: NDArray[np.bool_]
    values: NDArray[np.float32]  # (N, 8): uv, normal, colour
    kinds: NDArray[np.uint8]  # (N, 3): material, label, foreign


class Renderer:
    """Renderer of a static and a moving scene through a pinhole camera.

    Args:
        geometry: Camera geometry.
        atlas: Textures.
        lighting: Sun and sky.
    """

    def __init__(self, geometry: CameraGeometry, atlas: TextureAtlas, lighting: Lighting) -> None:
        self._geometry = geometry
        self._atlas = atlas
        self._light = lighting
        self._across = (np.arange(geometry.width) - geometry.cx) / geometry.fx
        self._down = (np.arange(geometry.height) - geometry.cy) / geometry.fy

    def render(
        self, scenes: tuple[RayScene, RayScene], world_from_optical: NDArray[np.float64]
    ) -> View:
        """Render the view of a camera pose.

        Args:
            scenes: The static and the moving scene.
            world_from_optical: (4, 4) float64 camera pose in the frame of the scenes.
        """
        directions = self._directions(world_from_optical[:3, :3])
        origins = np.tile(world_from_optical[:3, 3].astype(np.float32), (len(directions), 1))
        step = _BAND_ROWS * self._geometry.width
        bands = [
            self._render_band(scenes, origins[at:at + step], directions[at:at + step])
            for at in range(0, len(directions), step)
        ]
        image, depth, labels, foreign = (np.concatenate(part) for part in zip(*bands, strict=True))
        return View(self._through_lens(image), depth, labels, foreign, directions)

    def is_hidden(
        self, view: View, scenes: tuple[RayScene, RayScene], position: NDArray[np.float64],
        other_position: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Test which points of a view are hidden from another camera.

        Args:
            view: View from `position`.
            scenes: The static and the moving scene of the view.
            position: (3,) camera centre of the view [m].
            other_position: (3,) centre of the other camera [m].

        Returns:
            (N,) bool, True where a surface blocks the line of sight; False for the sky.
        """
        seen = np.flatnonzero(np.isfinite(view.depth_m))
        shift = (position - other_position).astype(np.float32)
        directions = view.directions[seen] * view.depth_m[seen, None] + shift
        origins = np.tile(other_position.astype(np.float32), (len(seen), 1))
        hidden = np.zeros(len(view.depth_m), np.bool_)
        hidden[seen] = _is_blocked(scenes, origins, directions, _BEFORE_THE_POINT)
        return hidden

    def _directions(self, rotation: NDArray[np.float64]) -> NDArray[np.float32]:
        """Ray directions (N, 3) of the pixels in the frame of the scenes, with depth 1."""
        across = self._across[:, None] * rotation[:, 0]
        down = self._down[:, None] * rotation[:, 1] + rotation[:, 2]
        return (down[:, None] + across).reshape(-1, 3).astype(np.float32)

    def _render_band(
        self, scenes: tuple[RayScene, RayScene], origins: NDArray[np.float32],
        directions: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
        """Radiance, depth, labels and foreign mask of a band of rows that fits in the cache."""
        points = _cast(scenes, origins, directions)
        radiance = self._shade(scenes, origins, directions, points)
        labels = np.where(points.seen, points.kinds[:, 1], np.uint8(train_id('sky')))
        return radiance, points.depth_m, labels, points.seen & (points.kinds[:, 2] > 0)

    def _shade(
        self, scenes: tuple[RayScene, RayScene], origins: NDArray[np.float32],
        directions: NDArray[np.float32], points: _Points,
    ) -> NDArray[np.float32]:
        """Linear colour (N, 3) of each pixel."""
        uv, color = points.values[:, 0:2], points.values[:, 5:8]
        normals, grazing = _facing_normals(points.values[:, 2:5], directions)
        material = np.where(points.seen, points.kinds[:, 0], np.uint8(Material.CLOUD))
        depth = np.where(points.seen, points.depth_m, np.float32(0))
        across = np.maximum(depth / np.float32(self._geometry.fx), np.float32(1e-4))
        uv, footprint = self._with_sky(uv, across / np.sqrt(grazing), directions, points.seen)
        texture = self._sample(material, uv, footprint)
        painted = self._painted(color * texture, texture, material, uv, across, grazing)
        sunlit = self._sunlit(scenes, origins, directions, points, normals)
        radiance = painted * painted * self._light.irradiance(normals, sunlit)
        lamp = material == Material.LAMP
        radiance[lamp] = np.maximum(radiance[lamp], 0.8 * color[lamp] ** 2)
        radiance = self._light.through_haze(radiance, depth)
        sky = ~points.seen
        upward = directions[sky, 2] / np.linalg.norm(directions[sky], axis=1)
        radiance[sky] = self._light.sky(upward, texture[sky, 0])
        return radiance

    def _sample(
        self, material: NDArray[np.uint8], uv: NDArray[np.float32], footprint: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        shape = (-1, self._geometry.width)
        return self._atlas.sample(
            material.reshape(shape), uv.reshape(*shape, 2), footprint.reshape(shape)
        ).reshape(-1, 3)

    def _with_sky(
        self, uv: NDArray[np.float32], footprint: NDArray[np.float32],
        directions: NDArray[np.float32], seen: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Texture coordinates and pixel size, on the cloud layer for sky pixels."""
        sky = ~seen
        slope = np.maximum(directions[sky, 2], np.float32(0.02))[:, None]
        uv, footprint = uv.copy(), footprint.copy()
        uv[sky] = directions[sky, :2] / slope * np.float32(_CLOUD_HEIGHT_M)
        footprint[sky] = np.float32(_CLOUD_HEIGHT_M / self._geometry.fx) / slope[:, 0] ** 1.5
        return uv, footprint

    def _painted(
        self, color: NDArray[np.float32], texture: NDArray[np.float32],
        material: NDArray[np.uint8], uv: NDArray[np.float32], across: NDArray[np.float32],
        grazing: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Colour with road markings."""
        road = np.flatnonzero((material == Material.ASPHALT) | (material == Material.CROSSING))
        along_m, across_m = uv[road, 0], uv[road, 1]
        pixel = across[road]
        zebra = material[road] == Material.CROSSING
        cover = np.where(
            zebra, crossing_paint(across_m, pixel),
            lane_paint(along_m, across_m, pixel / grazing[road], pixel),
        )[:, None]
        white = np.float32(_PAINT_COLOR) * (np.float32(0.4) + np.float32(0.75) * texture[road])
        color[road] += np.float32(0.9) * cover * (white - color[road])
        return color

    def _sunlit(
        self, scenes: tuple[RayScene, RayScene], origins: NDArray[np.float32],
        directions: NDArray[np.float32], points: _Points, normals: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Cosine to the sun, 0 in the shade."""
        sun = self._light.sun_direction
        towards = np.einsum('ij,j->i', normals, sun)
        cosine: NDArray[np.float32] = np.where(
            points.seen & (towards > 0), towards, np.float32(0))
        facing = np.flatnonzero(cosine > 0)
        place = origins[facing] + directions[facing] * points.depth_m[facing, None]
        place += normals[facing] * np.float32(_SHADOW_LIFT_M)
        towards_sun = np.tile(sun, (len(facing), 1))
        cosine[facing[_is_blocked(scenes, place, towards_sun, _SHADOW_REACH_M)]] = 0
        return cosine

    def _through_lens(self, radiance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Image in [0, 255] with display gamma and lens blur."""
        coded = np.clip(radiance * np.float32(_EXPOSURE * 255**2), 0, 255**2)
        image = np.sqrt(coded, out=coded).reshape(*self._geometry.shape, 3)
        blurred: NDArray[np.float32] = cv2.GaussianBlur(image, (3, 3), _LENS_BLUR_PX)
        return blurred


def _cast(
    scenes: tuple[RayScene, RayScene], origins: NDArray[np.float32],
    directions: NDArray[np.float32],
) -> _Points:
    """Nearest hits over both scenes."""
    static, moving = scenes
    hits, over = static.cast(origins, directions), moving.cast(origins, directions)
    nearer = np.flatnonzero(over.distance < hits.distance)
    values, kinds = _attributes(static, hits.triangle, hits.weights)
    values[nearer], kinds[nearer] = _attributes(
        moving, over.triangle[nearer], over.weights[nearer]
    )
    depth = np.minimum(hits.distance, over.distance)
    return _Points(depth, np.isfinite(depth), values, kinds)


def _attributes(
    scene: RayScene, triangle: NDArray[np.int32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    count = len(triangle)
    if len(scene.surface) == 0:
        return np.zeros((count, 8), np.float32), np.zeros((count, 3), np.uint8)
    rows = scene.corner_values.take(triangle, axis=0, mode='clip')  # (N, 18)
    values = np.empty((count, 8), np.float32)
    values[:, :5] = rows[:, :5] + weights[:, :1] * rows[:, 5:10] + weights[:, 1:] * rows[:, 10:15]
    values[:, 5:] = rows[:, 15:]
    return values, scene.kinds.take(triangle, axis=0, mode='clip')


def _is_blocked(
    scenes: tuple[RayScene, RayScene], origins: NDArray[np.float32],
    directions: NDArray[np.float32], reach: float,
) -> NDArray[np.bool_]:
    static, moving = scenes
    blocked = static.is_blocked(origins, directions, reach)
    blocked |= moving.is_blocked(origins, directions, reach)
    return blocked


def _facing_normals(
    normals: NDArray[np.float32], directions: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit normals facing the camera, and the sine of the viewing angle to the surface."""
    along = np.einsum('ij,ij->i', normals, directions)
    length = np.sqrt(np.einsum('ij,ij->i', normals, normals))
    np.maximum(length, np.float32(1e-6), out=length)
    sine = np.abs(along) / (length * np.sqrt(np.einsum('ij,ij->i', directions, directions)))
    return normals * (-np.sign(along) / length)[:, None], np.maximum(sine, np.float32(0.03))


@dataclass(frozen=True, slots=True)
class Hits:
    """First hits of N rays.

    Attributes:
        distance: (N,) float32 in lengths of the ray direction, inf without a hit.
        triangle: (N,) int32 triangle number, -1 without a hit.
        weights: (N, 2) float32 barycentric weights of the second and third corner.
    """

    distance: NDArray[np.float32]
    triangle: NDArray[np.int32]
    weights: NDArray[np.float32]


class RayScene:
    """Surface for ray casting.

    Source: Wald et al., Embree: a kernel framework for efficient CPU ray tracing, SIGGRAPH 2014.

    Args:
        surface: Surface of the scene; may be empty.

    Attributes:
        surface: Surface of the scene.
        corner_values: (F, 18) float32, all values a pixel needs of its triangle.
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
        """Test which rays are blocked.

        Args:
            origins: (N, 3) float32 [m].
            directions: (N, 3) float32 of any length.
            reach: Maximum distance, in lengths of the direction.

        Returns:
            (N,) bool, True where a surface blocks the ray.
        """
        if self._embree is None or len(origins) == 0:
            return np.zeros(len(origins), np.bool_)
        limits = np.full(len(origins), reach, np.float32)
        hits = self._embree.run(origins, directions, limits, query='OCCLUDED')
        is_blocked: NDArray[np.bool_] = hits >= 0
        return is_blocked


def check_ray_caster() -> None:
    """Check that the ray caster is installed.

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
    """Values (F, 18): uv and normal of the first corner, differences to the others, colour."""
    values = np.concatenate([surface.uv, surface.normals], axis=2)  # (F, 3, 5)
    values[:, 1:] -= values[:, :1]
    return np.concatenate([values.reshape(-1, 15), surface.color], axis=1)
