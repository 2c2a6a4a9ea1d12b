# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""People; origin on the ground between their feet, walking along x."""

from __future__ import annotations

import numpy as np

from ldn_perception.datasets.synthetic_drive.materials import Material
from ldn_perception.datasets.synthetic_drive.shapes import ellipsoid, limb, tube, vector
from ldn_perception.datasets.synthetic_drive.surface import Skin, Surface, train_id

_SKIN_TONES = np.array([(0.95, 0.78, 0.68), (0.85, 0.66, 0.52), (0.62, 0.44, 0.33),
                        (0.42, 0.29, 0.22)])
_HAIR_COLORS = np.array([(0.14, 0.11, 0.1), (0.35, 0.22, 0.13), (0.75, 0.6, 0.35),
                         (0.6, 0.6, 0.62)])
_CLOTH_MATERIALS = (Material.CLOTH, Material.CLOTH, Material.STRIPED, Material.CHECKED)


def build_person(
    rng: np.random.Generator, phase: float, label: int | None = None, riding: bool = False
) -> Surface:
    """A person 1.75 m tall in random clothes.

    Args:
        rng: Source of clothes and colours; the same state dresses the same person.
        phase: Where in the stride, or in the turn of the pedals, the legs are [rad].
        label: Train id, by default that of a person.
        riding: Seated on a bicycle instead of walking.
    """
    label = train_id('person') if label is None else label
    tone = rng.integers(len(_SKIN_TONES))
    skin = Skin(Material.CLOTH, _SKIN_TONES[tone], label)
    hair = Skin(Material.FUR, _HAIR_COLORS[rng.integers(len(_HAIR_COLORS))], label)
    shirt = Skin(_CLOTH_MATERIALS[rng.integers(4)], rng.uniform(0.15, 1.0, 3), label)
    trousers = Skin(Material.CLOTH, rng.uniform(0.12, 0.6) * rng.uniform(0.7, 1.2, 3), label)
    shoes = Skin(Material.RUBBER, rng.uniform(0.15, 0.8) * np.ones(3), label)
    hip, shoulder, head = _spine(riding)
    pieces = [
        (tube([hip, 0.5 * (hip + shoulder), shoulder, shoulder + vector(0.01, 0, 0.07)],
              [0.17, 0.175, 0.2, 0.07]), shirt),
        (limb(shoulder, head, 0.065, 0.06), skin),
        (ellipsoid(head, (0.105, 0.085, 0.13), 1), skin),
        (ellipsoid(head + vector(-0.02, 0, 0.035), (0.11, 0.098, 0.115), 1), hair),
    ]
    for side in (-1, 1):
        swing = phase + (0 if side < 0 else np.pi)
        knee, foot = _leg(swing, side, hip, riding)
        top = hip + vector(0, side * 0.095, 0.02)
        pieces += [
            (limb(top, knee, 0.1, 0.075), trousers),
            (limb(knee, foot, 0.075, 0.05), trousers),
            (ellipsoid(foot + vector(0.06, 0, -0.04), (0.14, 0.05, 0.05), 1), shoes),
        ]
        joint = shoulder + vector(0, side * 0.2, -0.01)
        elbow, hand = _arm(swing + np.pi, side, joint, riding)
        pieces += [(limb(joint, elbow, 0.06, 0.05), shirt), (limb(elbow, hand, 0.05, 0.04), skin)]
    return Surface.concatenate(Surface.from_mesh(mesh, cover) for mesh, cover in pieces)


def _spine(riding: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hip, shoulder and head [m]."""
    points = np.array([(0, 0, 0.92), (0, 0, 1.42), (0.02, 0, 1.64)])
    if riding:
        points = np.array([(-0.24, 0, 0.96), (0.04, 0, 1.38), (0.14, 0, 1.58)])
    return points[0], points[1], points[2]


def _leg(swing: float, side: int, hip: np.ndarray, riding: bool) -> tuple[np.ndarray, np.ndarray]:
    y = side * 0.1
    if riding:
        foot = np.array([-0.08 + 0.16 * np.cos(swing), y, 0.34 + 0.16 * np.sin(swing)])
        return 0.5 * (foot + hip) + vector(0.24, y / 2, 0.08), foot
    forward = 0.42 * np.sin(swing)
    knee = hip + vector(0.43 * np.sin(forward) + 0.04, y, -0.43 * np.cos(forward))
    bend = forward - 0.35 * max(0.0, np.cos(swing))
    return knee, knee + vector(0.42 * np.sin(bend), 0, -0.41 * np.cos(bend))


def _arm(
    swing: float, side: int, joint: np.ndarray, riding: bool
) -> tuple[np.ndarray, np.ndarray]:
    if riding:
        return joint + vector(0.16, side * 0.05, -0.2), np.array([0.34, side * 0.25, 1.02])
    angle = 0.4 * np.sin(swing)
    elbow = joint + vector(0.28 * np.sin(angle), side * 0.05, -0.28 * np.cos(angle))
    return elbow, elbow + vector(0.26 * np.sin(angle + 0.3), 0, -0.26 * np.cos(angle + 0.3))
