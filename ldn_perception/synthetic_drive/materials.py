# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Materials and light: procedural textures in one atlas, and the light on surfaces.

A texture is one tile with a mip pyramid per material.
"""

from __future__ import annotations

from dataclasses import dataclass
import enum
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE_PX = 512
_NUM_LEVELS = 9
_BORDER_PX = 2


class Material(enum.IntEnum):
    """Texture of a face; the face provides the colour unless the texture has its own."""

    ASPHALT = 0
    CROSSING = 1
    PAVING = 2
    CONCRETE = 3
    GRASS = 4
    FACADE_PLASTER = 5
    FACADE_BRICK = 6
    FACADE_OFFICE = 7
    FACADE_OLD = 8
    SHOP = 9
    ROOF = 10
    BRICK = 11
    WOOD = 12
    LEAVES = 13
    BARK = 14
    PAINT = 15
    GLASS = 16
    RUBBER = 17
    CLOTH = 18
    FUR = 19
    CHECKED = 20
    STRIPED = 21
    CLOUD = 22
    LAMP = 23


TILE_M = np.array(
    [9.6, 9.6, 4.8, 4.8, 9.6, 12.8, 12.8, 12.8, 12.8, 12.8, 4.8, 4.8, 2.4, 4.8, 2.4, 4.8, 4.8, 2.4,
     1.2, 1.2, 1.2, 1.2, 2400.0, 2.4]
)
"""Tile size of each material, (M,) [m]."""

STOREY_M = 3.2
"""Height of a storey and width of a window bay in the facade textures [m]."""


class TextureAtlas:
    """Texture atlas of all materials of a drive.

    Args:
        seed: Random seed; equal seeds give equal atlases.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        tiles = [_paint_tile(material, rng) for material in Material]
        width = sum(_level_px(level) + 2 * _BORDER_PX for level in range(_NUM_LEVELS))
        pitch = _TILE_PX + 2 * _BORDER_PX
        self._pixels = np.zeros((pitch * len(tiles), width, 3), np.uint8)
        self._columns = np.zeros(_NUM_LEVELS, np.float32)
        for row, tile in enumerate(tiles):
            self._store(tile, row * pitch)
        self._pitch = np.float32(pitch)

    def _store(self, tile: NDArray[np.float32], top: int) -> None:
        column = 0
        for level in range(_NUM_LEVELS):
            side = _level_px(level)
            image = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA)
            coded = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
            padded = np.pad(coded, [(_BORDER_PX,) * 2] * 2 + [(0, 0)], mode='wrap')
            self._pixels[top:top + len(padded), column:column + len(padded)] = padded
            self._columns[level] = column
            column += len(padded)

    def sample(
        self,
        material: NDArray[np.uint8],
        uv: NDArray[np.float32],
        footprint_m: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Sample texture colours, blurred to the footprint of a pixel.

        Args:
            material: (H, W) uint8 material number.
            uv: (H, W, 2) float32 texture coordinates [m].
            footprint_m: (H, W) float32 size of a pixel on the surface [m].

        Returns:
            (H, W, 3) float32 in [0, 1], square-root coded.
        """
        tile_m = TILE_M.astype(np.float32)[material]
        level = np.log2(np.maximum(footprint_m * (_TILE_PX / tile_m), 1))
        level = np.minimum(level, np.float32(_NUM_LEVELS - 1.001))
        lower = level.astype(np.int32)
        turns = uv / tile_m[..., None]
        turns -= np.floor(turns)
        fine = self._lookup(material, turns, lower)
        coarse = self._lookup(material, turns, lower + 1)
        share = (level - lower)[..., None]
        colors: NDArray[np.float32] = (fine + share * (coarse - fine)) * np.float32(1 / 255)
        return colors

    def _lookup(
        self, material: NDArray[np.uint8], turns: NDArray[np.float32], level: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        side = np.float32(_TILE_PX) * np.exp2(-level).astype(np.float32)
        offset = np.float32(_BORDER_PX - 0.5)
        columns = turns[..., 0] * side + (self._columns[level] + offset)
        rows = (1 - turns[..., 1]) * side + (material * self._pitch + offset)
        return cv2.remap(self._pixels, columns, rows, cv2.INTER_LINEAR).astype(np.float32)


def _level_px(level: int) -> int:
    return _TILE_PX >> level


def _noise(rng: np.random.Generator, exponent: float, stretch: float = 1.0) -> NDArray[np.float32]:
    """Seamless noise of zero mean and unit deviation; amplitude falls as frequency^-exponent."""
    rows = np.fft.fftfreq(_TILE_PX)[:, None] * _TILE_PX
    columns = np.fft.rfftfreq(_TILE_PX)[None] * _TILE_PX
    frequency = np.hypot(rows / stretch, columns * stretch)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE_PX, _TILE_PX), np.float32))
    gain = (np.maximum(frequency, 1.0) ** -exponent).astype(np.float32)
    noise = np.fft.irfft2(spectrum * gain)
    normalised: NDArray[np.float32] = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return normalised


def _grey(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(np.clip(values, 0, 1)[..., None], 3, axis=2)


def _grid() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates in [0, 1) to the right and upwards."""
    line = (np.arange(_TILE_PX, dtype=np.float32) + 0.5) / _TILE_PX
    return np.meshgrid(line, line[::-1])


def _paint_tile(material: Material, rng: np.random.Generator) -> NDArray[np.float32]:
    painter = _PAINTERS.get(material)
    if painter is not None:
        return painter(rng)
    exponent, contrast, stretch = _PLAIN[material]
    return _grey(0.8 + contrast * _noise(rng, exponent, stretch))


_PLAIN = {
    # Material: exponent of the spectrum, contrast, stretch along the tile's width.
    Material.ASPHALT: (0.75, 0.085, 1.0),
    Material.CROSSING: (0.75, 0.085, 1.0),
    Material.CONCRETE: (0.9, 0.075, 1.0),
    Material.WOOD: (0.9, 0.11, 0.35),
    Material.BARK: (0.9, 0.16, 0.4),
    Material.PAINT: (1.05, 0.035, 1.0),
    Material.RUBBER: (0.8, 0.06, 1.0),
    Material.CLOTH: (0.9, 0.09, 1.0),
    Material.FUR: (0.9, 0.13, 0.6),
    Material.CLOUD: (1.6, 0.2, 0.8),
    Material.LAMP: (1.0, 0.03, 1.0),
}


def _paint_slabs(rng: np.random.Generator) -> NDArray[np.float32]:
    shade = _bricks(rng, columns=8, rows=8, gap=0.03, shift=0.0, spread=0.06)
    return _grey(shade * (0.82 + 0.07 * _noise(rng, 0.8)))


def _paint_brick(rng: np.random.Generator) -> NDArray[np.float32]:
    shade = _bricks(rng, columns=16, rows=48, gap=0.1, shift=0.5, spread=0.09)
    return _grey(shade * (0.8 + 0.08 * _noise(rng, 0.9)))


def _paint_roof(rng: np.random.Generator) -> NDArray[np.float32]:
    shade = _bricks(rng, columns=20, rows=14, gap=0.14, shift=0.5, spread=0.1)
    return _grey(shade * (0.78 + 0.09 * _noise(rng, 0.9)))


def _bricks(
    rng: np.random.Generator, columns: int, rows: int, gap: float, shift: float, spread: float
) -> NDArray[np.float32]:
    x, y = _grid()
    row = np.floor(y * rows).astype(int)
    along = x * columns + shift * (row % 2)
    column = np.floor(along).astype(int) % columns
    shade = 1 + spread * rng.standard_normal((rows, columns)).astype(np.float32)
    joint = (along % 1 < gap * columns / rows) | (y * rows % 1 < gap)
    shades: NDArray[np.float32] = np.where(joint, np.float32(0.62), shade[row, column])
    return shades


def _paint_grass(rng: np.random.Generator) -> NDArray[np.float32]:
    base = 0.62 + 0.11 * _noise(rng, 0.7) + 0.05 * _noise(rng, 1.5)
    dry = np.clip(0.5 + 0.5 * _noise(rng, 1.4), 0, 1)[..., None]
    green, straw = np.array([0.72, 1.0, 0.45]), np.array([1.05, 1.0, 0.62])
    tint = green + 0.6 * dry * (straw - green)
    colors: NDArray[np.float32] = np.clip(base[..., None] * tint, 0, 1).astype(np.float32)
    return colors


def _paint_leaves(rng: np.random.Generator) -> NDArray[np.float32]:
    clumps = np.tanh(1.2 * _noise(rng, 0.75))
    base = 0.6 + 0.2 * clumps + 0.07 * _noise(rng, 0.2)
    hue = np.array([0.8, 1.0, 0.5]) + 0.08 * _noise(rng, 1.3)[..., None] * np.array([1, 0, -0.5])
    colors: NDArray[np.float32] = np.clip(base[..., None] * hue, 0, 1).astype(np.float32)
    return colors


def _paint_glass(rng: np.random.Generator) -> NDArray[np.float32]:
    return _grey(0.72 + 0.14 * np.tanh(2 * _noise(rng, 1.3)) + 0.05 * _noise(rng, 0.8))


def _paint_checks(rng: np.random.Generator) -> NDArray[np.float32]:
    x, y = _grid()
    pattern = ((np.floor(x * 8) + np.floor(y * 8)) % 2).astype(np.float32)
    return _grey(0.5 + 0.4 * pattern + 0.05 * _noise(rng, 0.9))


def _paint_stripes(rng: np.random.Generator) -> NDArray[np.float32]:
    x, _ = _grid()
    pattern = (x * 9 % 1 < rng.uniform(0.3, 0.6)).astype(np.float32)
    return _grey(0.5 + 0.4 * pattern + 0.06 * _noise(rng, 0.9))


def _paint_plaster_facade(rng: np.random.Generator) -> NDArray[np.float32]:
    wall = _grey(0.85 + 0.045 * _noise(rng, 1.0) + 0.03 * _noise(rng, 1.0, 0.4))
    return _with_windows(wall, rng, width=0.36, height=0.5, frame=0.035, panes=2)


def _paint_brick_facade(rng: np.random.Generator) -> NDArray[np.float32]:
    shade = _bricks(rng, columns=42, rows=128, gap=0.16, shift=0.5, spread=0.09)
    wall = _grey(shade * (0.8 + 0.05 * _noise(rng, 1.0)))
    return _with_windows(wall, rng, width=0.42, height=0.55, frame=0.045, panes=2)


def _paint_office_facade(rng: np.random.Generator) -> NDArray[np.float32]:
    wall = _grey(0.8 + 0.05 * _noise(rng, 1.0))
    return _with_windows(wall, rng, width=0.92, height=0.62, frame=0.02, panes=3)


def _paint_old_facade(rng: np.random.Generator) -> NDArray[np.float32]:
    blocks = _bricks(rng, columns=16, rows=32, gap=0.06, shift=0.5, spread=0.05)
    wall = _grey(np.maximum(blocks, 0.75) * (0.85 + 0.05 * _noise(rng, 1.0)))
    return _with_windows(wall, rng, width=0.34, height=0.62, frame=0.06, panes=2)


def _paint_shop(rng: np.random.Generator) -> NDArray[np.float32]:
    wall = _grey(0.7 + 0.06 * _noise(rng, 1.0))
    shop = _with_windows(wall, rng, width=0.8, height=0.68, frame=0.03, panes=2)
    _, y = _grid()
    for bay in range(4):
        columns = slice(bay * _TILE_PX // 4 + 6, (bay + 1) * _TILE_PX // 4 - 6)
        board = (y[:, columns] * 4 % 1 > 0.86) & (y[:, columns] * 4 % 1 < 0.985)
        shop[:, columns][board] = rng.uniform(0.25, 1.0, 3)
    return shop


def _with_windows(
    wall: NDArray[np.float32], rng: np.random.Generator, width: float, height: float,
    frame: float, panes: int,
) -> NDArray[np.float32]:
    """Wall texture with 4x4 window bays; sizes are shares of a bay."""
    x, y = _grid()
    bay_x, bay_y = x * 4 % 1 - 0.5, y * 4 % 1 - 0.5
    across, upward = np.abs(bay_x) / (width / 2), np.abs(bay_y) / (height / 2)
    opening = (across < 1) & (upward < 1)
    glass = (np.abs(bay_x) < width / 2 - frame) & (np.abs(bay_y) < height / 2 - frame)
    mullion = (bay_x / width + 0.5) * panes % 1 < 1.6 * frame
    kind = rng.integers(0, 4, (4, 4))[(y * 4).astype(int), (x * 4).astype(int)]
    pane = np.array([0.24, 0.34, 0.42, 0.3], np.float32)[kind] + 0.05 * _noise(rng, 1.2)
    curtain = (kind == 2) & (bay_y > rng.uniform(-0.2, 0.2)) & (np.sin(bay_x * 80) > -0.4)
    pane = np.where(curtain, 0.72 + 0.04 * _noise(rng, 1.0), pane)
    tinted = pane[..., None] * np.array([0.92, 1.0, 1.1], np.float32)
    image = np.where(opening[..., None], np.float32(0.93) * np.ones(3, np.float32), wall)
    image = np.where((glass & ~mullion)[..., None], tinted, image)
    sill = (across < 1.15) & (bay_y < -height / 2) & (bay_y > -height / 2 - 0.05)
    shadow = (across < 1.15) & (bay_y < -height / 2 - 0.05) & (bay_y > -height / 2 - 0.1)
    image = np.where(sill[..., None], np.float32(0.95), image)
    return np.where(shadow[..., None], image * np.float32(0.75), image).astype(np.float32)


_PAINTERS = {
    Material.PAVING: _paint_slabs,
    Material.GRASS: _paint_grass,
    Material.FACADE_PLASTER: _paint_plaster_facade,
    Material.FACADE_BRICK: _paint_brick_facade,
    Material.FACADE_OFFICE: _paint_office_facade,
    Material.FACADE_OLD: _paint_old_facade,
    Material.SHOP: _paint_shop,
    Material.ROOF: _paint_roof,
    Material.BRICK: _paint_brick,
    Material.LEAVES: _paint_leaves,
    Material.GLASS: _paint_glass,
    Material.CHECKED: _paint_checks,
    Material.STRIPED: _paint_stripes,
}


_HAZE_LENGTH_M = 420.0


@dataclass(frozen=True, slots=True)
class Lighting:
    """Light of a drive; colours are linear RGB.

    Attributes:
        sun_direction: (3,) float32 unit vector towards the sun, z up.
        sun: (3,) float32 irradiance of a surface that faces the sun.
        ambient: (3,) float32 irradiance of a surface that faces the sky.
        horizon: (3,) float32 radiance of the sky at the horizon, and colour of the haze.
        zenith: (3,) float32 radiance of the sky overhead.
        cloudiness: Share of the sky covered by clouds, in [0, 1].
    """

    sun_direction: NDArray[np.float32]
    sun: NDArray[np.float32]
    ambient: NDArray[np.float32]
    horizon: NDArray[np.float32]
    zenith: NDArray[np.float32]
    cloudiness: float

    @classmethod
    def from_seed(cls, seed: int) -> Lighting:
        """Random time of day and weather, from clear to overcast."""
        rng = np.random.default_rng([seed, 2])
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(22, 65))
        direction = (np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                     np.sin(elevation))
        cloudiness = rng.uniform(0, 1)
        low = 1 - np.sin(elevation)
        warm = np.array([1.0, 0.96 - 0.12 * low, 0.9 - 0.3 * low])
        clear, grey = np.array([0.2, 0.36, 0.68]), np.array([0.62, 0.65, 0.68])
        return cls(
            np.array(direction, np.float32),
            (warm * (1.55 - 1.25 * cloudiness)).astype(np.float32),
            ((0.4 + 0.36 * cloudiness) * np.array([0.94, 1.0, 1.08])).astype(np.float32),
            (np.array([0.72, 0.8, 0.88]) * rng.uniform(0.85, 1.0)).astype(np.float32),
            (clear + cloudiness * (grey - clear)).astype(np.float32),
            cloudiness,
        )

    def irradiance(
        self, normals: NDArray[np.float32], sunlit: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Irradiance of a surface.

        Args:
            normals: (N, 3) float32 unit normals.
            sunlit: (N,) float32 in [0, 1], cosine to the sun, 0 in the shade.

        Returns:
            (N, 3) float32 linear RGB.
        """
        openness = np.float32(0.62) + np.float32(0.38) * normals[:, 2]
        irradiance: NDArray[np.float32] = (
            openness[:, None] * self.ambient + sunlit[:, None] * self.sun)
        return irradiance

    def sky(
        self, upward: NDArray[np.float32], cloud: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Radiance of the sky.

        Args:
            upward: (N,) float32 sine of the elevation.
            cloud: (N,) float32 cloud texture in [0, 1].

        Returns:
            (N, 3) float32 linear RGB.
        """
        height = np.clip(upward, 0, 1)[:, None] ** np.float32(0.5)
        blue = self.horizon + height * (self.zenith - self.horizon)
        cover = np.clip((cloud - np.float32(1.02 - 0.5 * self.cloudiness)) * 5, 0, 1)
        cover = cover[:, None] * np.minimum(height * 3, 1)
        white = np.float32(0.55) + np.float32(0.4) * cloud[:, None]
        colors: NDArray[np.float32] = blue + cover * (white - blue)
        return colors

    def through_haze(
        self, radiance: NDArray[np.float32], depth_m: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Radiance (N, 3) of points at depth (N,), attenuated and veiled by haze."""
        passed = np.exp(-depth_m / np.float32(_HAZE_LENGTH_M))[:, None]
        veiled = radiance - self.horizon
        veiled *= passed
        veiled += self.horizon
        return veiled
