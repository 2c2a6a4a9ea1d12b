# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sun, sky and haze of one drive."""


from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        return openness[:, None] * self.ambient + sunlit[:, None] * self.sun

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
        return blue + cover * (white - blue)

    def through_haze(
        self, radiance: NDArray[np.float32], depth_m: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Radiance (N, 3) of points at depth (N,), attenuated and veiled by haze."""
        passed = np.exp(-depth_m / np.float32(_HAZE_LENGTH_M))[:, None]
        veiled = radiance - self.horizon
        veiled *= passed
        veiled += self.horizon
        return veiled
