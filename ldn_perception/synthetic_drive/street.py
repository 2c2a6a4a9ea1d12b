# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Street: centre line, markings and endless blocks on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.synthetic_drive import road_users, street_sides
from ldn_perception.synthetic_drive.foreign import build_foreign_object
from ldn_perception.synthetic_drive.materials import STOREY_M, Material
from ldn_perception.synthetic_drive.road_users import build_person
from ldn_perception.synthetic_drive.shapes import Mesh, Skin, Surface, train_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANE_WIDTH_M = 3.5
"""Distance of the edge lines from the centre line; the parking lane is outside."""

_DASH_PERIOD_M = 12.0
_BAR_PERIOD_M = 6.0


def lane_paint(
    along_m: NDArray[np.float32], across_m: NDArray[np.float32],
    pixel_along_m: NDArray[np.float32], pixel_across_m: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Painted share of a pixel: dashed centre line, edge lines, parking bars.

    Args:
        along_m: (N,) float32 position along the street.
        across_m: (N,) float32 position across the street, 0 on the centre line.
        pixel_along_m: (N,) float32 extent of the pixel on the road, along the street.
        pixel_across_m: (N,) float32 extent of the pixel on the road, across the street.

    Returns:
        (N,) float32 in [0, 1].
    """
    side = np.abs(across_m)
    dash = _covered(_wrapped(along_m, _DASH_PERIOD_M), 2.0, pixel_along_m)
    centre = _covered(side, 0.075, pixel_across_m) * dash
    edge = _covered(side - np.float32(LANE_WIDTH_M), 0.06, pixel_across_m)
    parking = _covered(side - np.float32(LANE_WIDTH_M + 1.0), 1.0, pixel_across_m)
    bar = _covered(_wrapped(along_m, _BAR_PERIOD_M), 0.06, pixel_along_m)
    share: NDArray[np.float32] = np.maximum(np.maximum(centre, edge), parking * bar)
    return share


def crossing_paint(
    across_m: NDArray[np.float32], pixel_across_m: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Painted share of a pixel on a zebra crossing; arguments as in lane_paint."""
    stripes = _covered(_wrapped(across_m, 1.0), 0.25, pixel_across_m)
    return np.where(pixel_across_m > 1, np.float32(0.5), stripes)


def _wrapped(position: NDArray[np.float32], period: float) -> NDArray[np.float32]:
    """Signed distance from the nearest multiple of the period."""
    turns = np.round(position / np.float32(period))
    distance: NDArray[np.float32] = position - np.float32(period) * turns
    return distance


def _covered(
    offset: NDArray[np.float32], half_width: float, pixel: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of an interval of length `pixel` around `offset` within half_width of zero."""
    upper = np.minimum(offset + pixel / 2, np.float32(half_width))
    lower = np.maximum(offset - pixel / 2, np.float32(-half_width))
    share: NDArray[np.float32] = np.clip((upper - lower) / pixel, 0, 1)
    return share


BLOCK_M = 48.0
"""Length of a block; a whole number of texture tiles and of dashes."""

ROAD_HALF_WIDTH_M = LANE_WIDTH_M + 2.2
"""Distance of the kerb from the centre line; cars park between lane and kerb."""

KERB_M = 0.14
"""Height of the kerb."""

_BLOCKS_BEHIND, _BLOCKS_AHEAD = 1, 4
_RIBBON_STEP_M = 4.0
_SLOT_M = 6.0
_MIDDLE_REACH_M = 0.9


class Street:
    """Street along x, with centre line y = center(x) and the road in the plane z = 0.

    Args:
        seed: Random seed; equal seeds give equal streets.
        foreign_objects: True to include foreign objects.
    """

    def __init__(self, seed: int, foreign_objects: bool = True) -> None:
        self._seed = seed
        self._foreign_objects = foreign_objects
        rng = np.random.default_rng([seed, 3])
        self._amplitude_m, self._wavelength_m = rng.uniform(1, 7), rng.uniform(180, 320)
        self._phase = rng.uniform(0, 2 * np.pi)
        self.sidewalk_m = rng.uniform(2.2, 4.0)
        self._urbanity = rng.uniform(0.25, 0.95)
        self._tree_share, self._parking_share = rng.uniform(0.2, 0.7), rng.uniform(0.25, 0.7)
        tone = rng.uniform(0.42, 0.56)
        self._road_color = tone * np.array([1.0, 1.0, rng.uniform(0.98, 1.06)])
        self._paving_color = rng.uniform(0.62, 0.8) * rng.uniform(0.94, 1.06, 3)
        self._grass_color = rng.uniform(0.75, 1.0) * np.array([1.0, rng.uniform(0.9, 1.0), 0.9])
        self._block = lru_cache(maxsize=_BLOCKS_BEHIND + _BLOCKS_AHEAD + 1)(self._build_block)

    def center(self, x: float | np.ndarray) -> float | np.ndarray:
        """Return y of the centre line at x [m]."""
        return self._amplitude_m * np.sin(2 * np.pi * x / self._wavelength_m + self._phase)

    def heading(self, x: float) -> float:
        """Direction of the street at x, left positive [rad]."""
        rate = 2 * np.pi / self._wavelength_m
        return float(np.arctan(self._amplitude_m * rate * np.cos(rate * x + self._phase)))

    def window(self, index: int) -> Surface:
        """All surfaces visible to a camera in block `index`; x counts from the block's start."""
        return Surface.concatenate(
            self._block(index + offset).placed(offset * BLOCK_M, 0)
            for offset in range(-_BLOCKS_BEHIND, _BLOCKS_AHEAD + 1)
        )

    def placed(
        self, surface: Surface, x: float, across_m: float, z: float = 0.0, yaw: float = 0.0,
        origin_m: float = 0.0,
    ) -> Surface:
        """Object placed on the street.

        Args:
            surface: Object in its own frame.
            x: Position along the street [m].
            across_m: Distance from the centre line, left positive.
            z: Height [m].
            yaw: Direction relative to the street [rad].
            origin_m: Position along the street of x = 0 in the result.
        """
        y = float(self.center(x)) + across_m
        return surface.placed(x - origin_m, y, z, yaw + self.heading(x))

    def _build_block(self, index: int) -> Surface:
        rng = np.random.default_rng([self._seed, 4, index & 0xffffffff])
        start = index * BLOCK_M
        parts = [*self._ground(start, crossing=rng.random() < 0.5)]
        for side in (1, -1):
            parts += self._lots(rng, start, side)
            parts += self._kerbside(rng, start, side)
            parts += self._parked(rng, start, side)
        if self._foreign_objects:
            thing_rng = np.random.default_rng([self._seed, 5, index & 0xffffffff])
            parts += self._foreign(thing_rng, start)
        return Surface.concatenate(parts)

    def _ground(self, start: float, crossing: bool) -> Iterator[Surface]:
        road = Skin(Material.ASPHALT, self._road_color, train_id('road'))
        zebra = Skin(Material.CROSSING, self._road_color, train_id('road'))
        edge = ROAD_HALF_WIDTH_M
        yield self._ribbon(start, (0, 36), (-edge, edge), (0, 0), road)
        yield self._ribbon(start, (36, 40), (-edge, edge), (0, 0), zebra if crossing else road)
        yield self._ribbon(start, (40, 48), (-edge, edge), (0, 0), road)
        paving = Skin(Material.PAVING, self._paving_color, train_id('sidewalk'))
        kerb = Skin(Material.CONCRETE, (0.72, 0.72, 0.7), train_id('sidewalk'))
        grass = Skin(Material.GRASS, self._grass_color, train_id('terrain'))
        back = edge + self.sidewalk_m
        for side in (1, -1):
            yield self._ribbon(start, (0, 48), (side * edge, side * edge), (0, KERB_M), kerb)
            lip = side * (edge + 0.16)
            yield self._ribbon(start, (0, 48), (side * edge, lip), (KERB_M,) * 2, kerb)
            yield self._ribbon(start, (0, 48), (lip, side * back), (KERB_M,) * 2, paving)
            yield self._ribbon(start, (0, 48), (side * back, side * 40), (KERB_M, 0.5), grass)
            yield self._ribbon(start, (0, 48), (side * 40, side * 160), (0.5, 14), grass)

    def _ribbon(
        self, start: float, along: tuple[float, float], across: tuple[float, float],
        heights: tuple[float, float], skin: Skin,
    ) -> Surface:
        """Strip along the street between two lateral offsets; x is relative to the start."""
        stations = np.arange(along[0], along[1] + 0.5 * _RIBBON_STEP_M, _RIBBON_STEP_M)
        y = np.asarray(self.center(start + stations))
        vertices, texture = [], []
        upright = across[0] == across[1]
        for offset, height in zip(across, heights, strict=True):
            vertices.append(np.stack([stations, y + offset, np.full_like(y, height)], axis=1))
            v = np.full_like(y, height if upright else offset)
            texture.append(np.stack([stations, v], axis=1))
        count = len(stations)
        first = np.arange(count - 1)
        faces = np.concatenate([
            np.stack([first, first + 1, first + count], axis=1),
            np.stack([first + 1, first + count + 1, first + count], axis=1),
        ])
        mesh = Mesh(np.concatenate(vertices), faces)
        return Surface.from_mesh(mesh, skin, np.concatenate(texture))

    def _lots(self, rng: np.random.Generator, start: float, side: int) -> Iterator[Surface]:
        """Houses, gardens and greens along a whole block."""
        position = 0.0
        while position < BLOCK_M - STOREY_M:
            bays = min(int(rng.integers(3, 7)), int((BLOCK_M - position) / STOREY_M))
            width = bays * STOREY_M
            draw = rng.random()
            if draw < self._urbanity:
                yield from self._house_lot(rng, start, position, bays, side, 0.0)
            elif draw < self._urbanity + 0.6 * (1 - self._urbanity):
                yield from self._house_lot(rng, start, position, bays, side, rng.uniform(4, 8))
                yield self._border(rng, start, position, width, side)
            else:
                yield from self._green(rng, start, position, width, side)
            position += width + (0.0 if rng.random() < 0.6 else rng.uniform(0.5, 2.5))

    def _house_lot(
        self, rng: np.random.Generator, start: float, position: float, bays: int, side: int,
        setback: float,
    ) -> Iterator[Surface]:
        storeys = int(rng.integers(2, 6)) if setback == 0 else int(rng.integers(1, 4))
        shop = setback == 0 and rng.random() < 0.5
        house = street_sides.build_house(rng, bays, storeys, shop)
        across = ROAD_HALF_WIDTH_M + self.sidewalk_m + setback
        yield self._beside(house, start, position, bays * STOREY_M, side, across)
        if setback:
            for _ in range(rng.integers(1, 4)):
                x = position + rng.uniform(0, bays * STOREY_M)
                garden = across - rng.uniform(1.0, setback - 1.0)
                plant = self._plant(rng, tree_share=0.4)
                yield self._standing(plant, start, x, side * garden, rng)

    def _border(
        self, rng: np.random.Generator, start: float, position: float, width: float, side: int
    ) -> Surface:
        """Wall, fence or hedge between garden and sidewalk."""
        builders = (street_sides.build_wall, street_sides.build_fence, street_sides.build_hedge,
                    street_sides.build_fence)
        border = builders[rng.integers(4)](rng, width)
        across = ROAD_HALF_WIDTH_M + self.sidewalk_m + 0.3
        return self._beside(border, start, position, width, side, across)

    def _beside(
        self, surface: Surface, start: float, position: float, width: float, side: int,
        across: float,
    ) -> Surface:
        """Surface with its front towards -y, placed with the front to the street."""
        x = start + position + (0 if side > 0 else width)
        yaw = 0.0 if side > 0 else np.pi
        return self.placed(surface, x, side * across, KERB_M, yaw, origin_m=start)

    def _green(
        self, rng: np.random.Generator, start: float, position: float, width: float, side: int
    ) -> Iterator[Surface]:
        for _ in range(int(width / 2.2)):
            x, out = position + rng.uniform(0, width), rng.uniform(1.5, 22)
            across = side * (ROAD_HALF_WIDTH_M + self.sidewalk_m + out)
            plant = self._plant(rng, tree_share=0.7)
            yield self._standing(plant, start, x, across, rng)

    @cached_property
    def _trees(self) -> list[Surface]:
        rng = np.random.default_rng([self._seed, 6])
        return [street_sides.build_tree(rng) for _ in range(4)]

    def _plant(self, rng: np.random.Generator, tree_share: float) -> Surface:
        if rng.random() < tree_share:
            return self._trees[rng.integers(4)]
        return street_sides.build_bush(rng)

    def _standing(
        self, surface: Surface, start: float, position: float, across: float,
        rng: np.random.Generator,
    ) -> Surface:
        """Object off the road in a random direction."""
        yaw = rng.uniform(0, 2 * np.pi)
        return self.placed(surface, start + position, across, KERB_M, yaw, origin_m=start)

    def _kerbside(self, rng: np.random.Generator, start: float, side: int) -> Iterator[Surface]:
        kerb = ROAD_HALF_WIDTH_M + 0.55
        facing = 0.0 if side < 0 else np.pi

        def put(surface: Surface, position: float, yaw: float = 0.0) -> Surface:
            return self.placed(surface, start + position, side * kerb, KERB_M, yaw, start)

        yield put(
            street_sides.build_lamp(rng), 6.0 if side > 0 else 30.0, 0.0 if side > 0 else np.pi)
        yield put(street_sides.build_traffic_light(rng), 35.0 if side < 0 else 41.0, facing)
        for position in rng.uniform(0, 48, rng.integers(1, 3)):
            yield put(street_sides.build_sign(rng), position, facing)
        for position in (12.0, 18.0, 24.0, 47.0):
            if rng.random() < self._tree_share:
                yield put(self._trees[rng.integers(4)], position, rng.uniform(0, 6))
        if rng.random() < 0.4:
            first = rng.uniform(0, 36)
            for step in range(5):
                yield put(street_sides.build_bollard(rng), first + 1.6 * step)
        if rng.random() < 0.6:
            yield put(road_users.build_bicycle(rng), rng.uniform(0, 48), rng.uniform(-0.3, 0.3))
        for _ in range(rng.integers(0, 3)):
            across = side * (ROAD_HALF_WIDTH_M + rng.uniform(0.8, self.sidewalk_m - 0.4))
            person = build_person(rng, rng.uniform(-0.4, 0.4))
            yield self._standing(person, start, rng.uniform(0, 48), across, rng)

    def _parked(self, rng: np.random.Generator, start: float, side: int) -> Iterator[Surface]:
        across = side * (LANE_WIDTH_M + 1.15)
        for slot in range(6):
            if rng.random() >= self._parking_share:
                continue
            yaw = (0.0 if side < 0 else np.pi) + rng.normal(0, 0.03)
            draw = rng.random()
            if draw < 0.88:
                vehicle = road_users.build_car(rng)
            else:
                vehicle = road_users.build_motorcycle(rng)
            position = start + _SLOT_M * (slot + 0.5)
            yield self.placed(vehicle, position, across, 0, yaw, origin_m=start)

    def _foreign(self, rng: np.random.Generator, start: float) -> Iterator[Surface]:
        """Foreign objects between the lanes, at the ends of parking lanes and on sidewalks."""
        places = (
            # along from, to, across, height [m]: clear of all traffic
            (37.5, 39.0, -LANE_WIDTH_M - 0.9, 0.0),
            (41.0, 46.0, -LANE_WIDTH_M - 0.8, 0.0),
            (41.0, 46.0, LANE_WIDTH_M + 0.8, 0.0),
            (25.0, 29.0, -ROAD_HALF_WIDTH_M - 1.4, KERB_M),
            (2.0, 5.0, ROAD_HALF_WIDTH_M + 1.4, KERB_M),
            (8.0, 16.0, 0.0, 0.0),
        )
        for first, last, across, height in places:
            if rng.random() < (0.75 if abs(across) > 1 else 0.4):
                x = start + rng.uniform(first, last)
                yaw = rng.normal(0, 0.6) if abs(across) > 1 else np.pi / 2
                thing = build_foreign_object(rng)
                if abs(across) < 1:
                    reach = float(np.hypot(*thing.corners[..., :2].reshape(-1, 2).T).max())
                    thing = thing.placed(0, 0, scale=min(1.0, _MIDDLE_REACH_M / reach))
                yield self.placed(thing, x, across, height, yaw, origin_m=start)
