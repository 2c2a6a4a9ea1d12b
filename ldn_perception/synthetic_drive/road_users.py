# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicles and people; the origin is on the ground below their centre."""

from __future__ import annotations

import numpy as np

from ldn_perception.synthetic_drive.materials import Material
from ldn_perception.synthetic_drive.shapes import (
    Color,
    Mesh,
    Skin,
    Surface,
    box,
    disc,
    ellipsoid,
    limb,
    loft,
    prism,
    ring,
    train_id,
    tube,
    vector,
)

_CAR_COLORS = np.array([
    (0.92, 0.92, 0.92), (0.75, 0.76, 0.78), (0.5, 0.52, 0.55), (0.16, 0.16, 0.18),
    (0.62, 0.1, 0.1), (0.12, 0.2, 0.55), (0.15, 0.35, 0.6), (0.2, 0.4, 0.25),
    (0.75, 0.65, 0.45), (0.85, 0.6, 0.12), (0.4, 0.15, 0.2),
])
_DARK = (0.22, 0.22, 0.23)
_GLASS = (0.34, 0.39, 0.45)

Pieces = list[tuple[Mesh, Skin]]


def build_car(rng: np.random.Generator) -> Surface:
    """Saloon, hatchback or van in a random colour, about 4.4 m long."""
    label = train_id('car')
    color = _CAR_COLORS[rng.integers(len(_CAR_COLORS))]
    paint = Skin(Material.PAINT, color, label)
    glass = Skin(Material.GLASS, _GLASS, label)
    shape = rng.integers(3)
    rear, height = ((-1.75, 1.42), (-2.05, 1.5), (-2.15, 1.85))[shape]
    roof_rear = rear + (0.75, 0.3, 0.12)[shape]
    belt = 0.88 if shape < 2 else 1.0
    pieces: Pieces = [(_car_body(belt), paint)]
    cabin = ((rear, belt), (roof_rear, height), (0.35, height), (1.15, belt - 0.02))
    pieces.append((_cabin(cabin, belt), glass))
    roof = box(((roof_rear + 0.35) / 2, 0, height), (0.42 - roof_rear, 1.26, 0.06))
    pieces.append((roof, paint))
    for side in (-1, 1):
        pieces += _pillars(cabin, side, paint, height, belt)
        pieces.append((box((0.95, side * 0.95, belt + 0.06), (0.12, 0.18, 0.13)), paint))
    pieces += _car_lights(label) + _wheels(label, (-1.32, 1.32), 0.82, 0.32)
    return _assemble(pieces)


def _car_body(belt: float) -> Mesh:
    stations = (
        # x, bottom, top, half width [m]
        (-2.2, 0.45, 0.72, 0.74), (-2.12, 0.3, belt - 0.04, 0.84), (-1.7, 0.24, belt, 0.89),
        (0.9, 0.24, belt, 0.9), (1.2, 0.24, belt - 0.03, 0.89), (2.0, 0.26, 0.7, 0.84),
        (2.16, 0.34, 0.6, 0.76),
    )
    sections = []
    for x, bottom, top, half in stations:
        middle = bottom + 0.6 * (top - bottom)
        right = [(x, -0.92 * half, bottom), (x, -half, middle), (x, -0.9 * half, top)]
        left = [(x, -y, z) for x, y, z in reversed(right)]
        sections.append(right + left)
    return loft(np.array(sections))


def _cabin(outline: tuple[tuple[float, float], ...], belt: float) -> Mesh:
    sections = []
    for x, z in outline:
        half = 0.8 - 0.2 * (z - belt) / 0.55
        low = belt - 0.03
        sections.append([(x, -0.8, low), (x, -half, z), (x, half, z), (x, 0.8, low)])
    return loft(np.array(sections))


def _pillars(
    outline: tuple[tuple[float, float], ...], side: int, skin: Skin, height: float, belt: float
) -> Pieces:
    half = 0.8 - 0.2 * (height - belt) / 0.55
    top, low = side * (half + 0.01), side * 0.81
    rear, roof_rear, roof_front, front = (x for x, _ in outline)
    posts = ((rear, roof_rear), (-0.35, -0.35), (front, roof_front))
    pieces: Pieces = [
        (limb((x0, low, belt), (x1, top, height), 0.045, 0.045), skin) for x0, x1 in posts
    ]
    return [*pieces, (limb((roof_rear, top, height), (roof_front, top, height), 0.05, 0.05), skin)]


def _car_lights(label: int) -> Pieces:
    red, white = (0.75, 0.06, 0.05), (0.95, 0.95, 0.9)
    lamps: Pieces = [(box((2.13, 0, 0.5), (0.1, 1.0, 0.14)), Skin(Material.RUBBER, _DARK, label))]
    for side in (-1, 1):
        lamps.append((box((-2.13, side * 0.62, 0.72), (0.14, 0.3, 0.16)),
                      Skin(Material.LAMP, red, label)))
        lamps.append((box((2.08, side * 0.6, 0.62), (0.16, 0.32, 0.13)),
                      Skin(Material.LAMP, white, label)))
    for x in (-2.2, 2.17):
        lamps.append((box((x, 0, 0.5), (0.04, 0.52, 0.12)), Skin(Material.LAMP, white, label)))
    return lamps


def _wheels(label: int, stations: tuple[float, ...], half_track: float, radius: float) -> Pieces:
    tyre, hub = Skin(Material.RUBBER, _DARK, label), Skin(Material.PAINT, (0.7, 0.7, 0.72), label)
    wheels: Pieces = []
    for x in stations:
        for side in (-1, 1):
            wheels.append((disc((x, side * half_track, radius), radius, 0.2), tyre))
            wheels.append((disc((x, side * (half_track + 0.06), radius), 0.6 * radius, 0.12), hub))
    return wheels


def build_truck(rng: np.random.Generator) -> Surface:
    """Lorry with a box body, about 8 m long."""
    label = train_id('truck')
    cab = Skin(Material.PAINT, _CAR_COLORS[rng.integers(len(_CAR_COLORS))], label)
    cargo = Skin(Material.STRIPED if rng.random() < 0.3 else Material.CONCRETE,
                 rng.uniform(0.5, 1.0, 3), label)
    glass, dark = Skin(Material.GLASS, _GLASS, label), Skin(Material.RUBBER, _DARK, label)
    outline = ((2.1, 0.5), (4.0, 0.5), (4.0, 1.6), (3.7, 2.7), (2.1, 2.8))
    pieces: Pieces = [
        (prism(outline, -1.15, 1.15), cab),
        (prism(((3.72, 1.65), (4.01, 1.62), (3.73, 2.6)), -1.0, 1.0), glass),
        (box((3.1, 0, 2.05), (0.9, 2.34, 0.75)), glass),
        (box((-1.1, 0, 2.2), (6.0, 2.4, 2.6)), cargo),
        (box((-1.1, 0, 0.75), (6.0, 1.0, 0.3)), dark),
        (box((-4.1, 0, 0.55), (0.1, 2.3, 0.15)), Skin(Material.STRIPED, (0.9, 0.2, 0.15), label)),
        (box((4.0, 0, 0.8), (0.08, 1.9, 0.3)), dark),
    ]
    for side in (-1, 1):
        red = Skin(Material.LAMP, (0.75, 0.06, 0.05), label)
        pieces.append((box((-4.12, side * 0.95, 0.8), (0.1, 0.3, 0.16)), red))
    return _assemble(pieces + _wheels(label, (-3.0, -2.0, 2.9), 1.02, 0.48))


def build_bus(rng: np.random.Generator) -> Surface:
    """City bus with a band of windows, 11 m long."""
    label = train_id('bus')
    color = np.array([(0.85, 0.15, 0.12), (0.9, 0.7, 0.1), (0.15, 0.4, 0.7), (0.85, 0.87, 0.85),
                      (0.2, 0.5, 0.3)])[rng.integers(5)]
    paint, white = Skin(Material.PAINT, color, label), Skin(Material.PAINT, (0.9,) * 3, label)
    glass, lamp = Skin(Material.GLASS, _GLASS, label), Skin(Material.LAMP, (1, 0.75, 0.2), label)
    pieces: Pieces = [
        (box((0, 0, 0.85), (11, 2.5, 1.1)), paint),
        (box((0, 0, 1.95), (10.94, 2.44, 1.1)), glass),
        (box((0, 0, 2.75), (11, 2.5, 0.5)), white),
        (box((5.5, 0, 2.75), (0.06, 1.7, 0.3)), lamp),
        (box((-5.5, 0, 2.75), (0.06, 0.6, 0.3)), lamp),
    ]
    for x in np.linspace(-5.46, 5.46, 8):
        pieces.append((box((x, 0, 1.95), (0.14, 2.5, 1.12)), white))
    for side in (-1, 1):
        red = Skin(Material.LAMP, (0.75, 0.06, 0.05), label)
        pieces.append((box((-5.5, side * 1.0, 0.8), (0.06, 0.25, 0.3)), red))
    return _assemble(pieces + _wheels(label, (-3.3, 3.3), 1.12, 0.48))


def build_bicycle(rng: np.random.Generator) -> Surface:
    """Bicycle standing upright, 1.7 m long."""
    return _assemble(_bicycle_pieces(rng))


def _bicycle_pieces(rng: np.random.Generator) -> Pieces:
    label = train_id('bicycle')
    frame = Skin(Material.PAINT, rng.uniform(0.15, 0.9, 3), label)
    dark = Skin(Material.RUBBER, _DARK, label)
    rear, front, crank = (-0.52, 0, 0.34), (0.54, 0, 0.34), (-0.08, 0, 0.3)
    seat, head = (-0.22, 0, 0.82), (0.38, 0, 0.8)
    pieces: Pieces = [(ring((x, 0, 0.34), 0.31, 0.028, 20), dark) for x in (-0.52, 0.54)]
    for start, end in ((rear, crank), (rear, seat), (crank, seat), (crank, head), (seat, head),
                       (front, head), (head, (0.36, 0, 0.98))):
        pieces.append((limb(start, end, 0.025, 0.025), frame))
    pieces.append((limb((0.34, -0.27, 1.0), (0.34, 0.27, 1.0), 0.022, 0.022), dark))
    pieces.append((box((-0.24, 0, 0.88), (0.26, 0.13, 0.06)), dark))
    return pieces


def build_cyclist(rng: np.random.Generator, phase: float) -> Surface:
    """Rider on a bicycle.

    Args:
        rng: Random generator of clothes and colours.
        phase: Angle of the pedals [rad].
    """
    return Surface.concatenate(
        [build_bicycle(rng), build_person(rng, phase, label=train_id('rider'), riding=True)]
    )


def build_motorcycle(rng: np.random.Generator) -> Surface:
    """Parked motorcycle, 2 m long."""
    label = train_id('motorcycle')
    paint: Color = _CAR_COLORS[rng.integers(len(_CAR_COLORS))]
    skin, dark = Skin(Material.PAINT, paint, label), Skin(Material.RUBBER, _DARK, label)
    chrome = Skin(Material.PAINT, (0.75, 0.76, 0.78), label)
    pieces: Pieces = [(ring((x, 0, 0.31), 0.25, 0.07), dark) for x in (-0.7, 0.72)]
    pieces += [
        (box((0.0, 0, 0.42), (0.6, 0.3, 0.36)), chrome),
        (prism(((-0.1, 0.68), (0.1, 0.6), (0.42, 0.7), (0.35, 0.92), (0.02, 0.9)), -0.16, 0.16),
         skin),
        (prism(((-0.85, 0.78), (-0.1, 0.66), (-0.1, 0.8), (-0.85, 0.9)), -0.13, 0.13), dark),
        (limb((0.72, 0, 0.31), (0.42, 0, 0.98), 0.05, 0.05), chrome),
        (limb((0.4, -0.36, 1.02), (0.4, 0.36, 1.02), 0.025, 0.025), dark),
        (limb((-0.75, 0.16, 0.33), (0.1, 0.16, 0.28), 0.06, 0.04), chrome),
    ]
    return _assemble(pieces)


def _assemble(pieces: Pieces) -> Surface:
    return Surface.concatenate(Surface.from_mesh(mesh, skin) for mesh, skin in pieces)


_SKIN_TONES = np.array([(0.95, 0.78, 0.68), (0.85, 0.66, 0.52), (0.62, 0.44, 0.33),
                        (0.42, 0.29, 0.22)])
_HAIR_COLORS = np.array([(0.14, 0.11, 0.1), (0.35, 0.22, 0.13), (0.75, 0.6, 0.35),
                         (0.6, 0.6, 0.62)])
_CLOTH_MATERIALS = (Material.CLOTH, Material.CLOTH, Material.STRIPED, Material.CHECKED)


def build_person(
    rng: np.random.Generator, phase: float, label: int | None = None, riding: bool = False
) -> Surface:
    """Person 1.75 m tall in random clothes.

    Args:
        rng: Random generator of clothes and colours; equal states give equal clothes.
        phase: Phase of the stride, or of the pedals [rad].
        label: Train id; that of a person by default.
        riding: True if seated on a bicycle instead of walking.
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
    """Positions of hip, shoulder and head [m]."""
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
