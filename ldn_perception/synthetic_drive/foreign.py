# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign objects: furniture, household goods, animals and shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ldn_perception.synthetic_drive.materials import Material
from ldn_perception.synthetic_drive.shapes import (
    VOID,
    Mesh,
    Skin,
    Surface,
    box,
    disc,
    ellipsoid,
    limb,
    loft,
    ring,
    tube,
    vector,
)

_COATS = ((0.55, 0.38, 0.25), (0.9, 0.88, 0.84), (0.2, 0.18, 0.17), (0.5, 0.5, 0.52),
          (0.85, 0.68, 0.42))
_FABRICS = (Material.CLOTH, Material.CHECKED, Material.STRIPED, Material.FUR)


def build_foreign_object(rng: np.random.Generator) -> Surface:
    """Build a random foreign object standing on the ground at the origin, at most 2.2 m across."""
    names = sorted(FOREIGN_BUILDERS)
    return FOREIGN_BUILDERS[names[rng.integers(len(names))]](rng)


def _cover(rng: np.random.Generator, *materials: Material) -> Skin:
    color = rng.uniform(0.25, 1.0, 3)
    return Skin(materials[rng.integers(len(materials))], color, VOID, foreign=True)


def _plain(material: Material, color: tuple[float, float, float]) -> Skin:
    return Skin(material, color, VOID, foreign=True)


def _assemble(skin: Skin, *meshes: Mesh) -> Surface:
    return Surface.concatenate(Surface.from_mesh(mesh, skin) for mesh in meshes)


def build_sofa(rng: np.random.Generator) -> Surface:
    """Sofa with arms and cushions."""
    fabric, cushion = _cover(rng, *_FABRICS), _cover(rng, *_FABRICS)
    width = rng.uniform(1.4, 2.0)
    base = box((0, 0, 0.25), (0.85, width, 0.3))
    back = box((0.36, 0, 0.58), (0.2, width, 0.7))
    arms = [box((0, side * width / 2, 0.4), (0.85, 0.2, 0.55)) for side in (-1, 1)]
    seats = [ellipsoid((-0.05, side * width / 4, 0.42), (0.4, width / 4.4, 0.12))
             for side in (-1, 1)]
    return Surface.concatenate(
        [_assemble(fabric, base, back, *arms), _assemble(cushion, *seats)]
    )


def build_chair(rng: np.random.Generator) -> Surface:
    """Wooden chair."""
    wood = _cover(rng, Material.WOOD, Material.PAINT)
    legs = [limb((x, y, 0), (x, y, 0.46), 0.03, 0.03) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    posts = [limb((0.2, y, 0.45), (0.27, y, 0.98), 0.03, 0.03) for y in (-0.2, 0.2)]
    seat, back = box((0, 0, 0.47), (0.48, 0.48, 0.05)), box((0.25, 0, 0.84), (0.04, 0.44, 0.2))
    return _assemble(wood, seat, back, *legs, *posts)


def build_table(rng: np.random.Generator) -> Surface:
    """Table with four legs and an object on it."""
    wood = _cover(rng, Material.WOOD)
    legs = [limb((x, y, 0), (x, y, 0.72), 0.04, 0.04) for x in (-0.35, 0.35) for y in (-0.6, 0.6)]
    top = box((0, 0, 0.74), (0.85, 1.4, 0.06))
    pot = tube([(0, 0.2, 0.77), (0, 0.2, 0.9), (0, 0.2, 1.05)], [0.08, 0.13, 0.06])
    return Surface.concatenate(
        [_assemble(wood, top, *legs), _assemble(_cover(rng, Material.PAINT), pot)]
    )


def build_bathtub(rng: np.random.Generator) -> Surface:
    """Open bathtub with a rim."""
    enamel = _plain(Material.PAINT, (0.93, 0.94, 0.95))
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    profile = ((0.5, 0.08), (0.86, 0.2), (1.0, 0.55), (1.06, 0.6), (1.0, 0.6), (0.93, 0.55),
               (0.8, 0.25), (0.45, 0.15))  # scale and height [m], from lower outside to inside
    outline = np.stack([0.4 * np.cos(angle), 0.85 * np.sin(angle)], axis=1)
    sections = np.array([np.column_stack([s * outline, np.full(28, z)]) for s, z in profile])
    feet = [ellipsoid((x, y, 0.06), (0.06, 0.06, 0.08), 1) for x in (-0.2, 0.2)
            for y in (-0.4, 0.4)]
    return Surface.concatenate(
        [_assemble(enamel, loft(sections)), _assemble(_cover(rng, Material.PAINT), *feet)]
    )


def build_ball(rng: np.random.Generator) -> Surface:
    """Large sphere."""
    radius = rng.uniform(0.4, 0.8)
    skin = _cover(rng, Material.CHECKED, Material.STRIPED, Material.GRASS, Material.BRICK)
    return _assemble(skin, ellipsoid((0, 0, radius), (radius,) * 3, 3))


def build_ring(rng: np.random.Generator) -> Surface:
    """Large standing torus."""
    radius = rng.uniform(0.45, 0.7)
    thickness = rng.uniform(0.12, 0.2)
    skin = _cover(rng, Material.STRIPED, Material.CLOTH, Material.CHECKED)
    upright = _assemble(skin, ring((0, 0, radius + thickness), radius, thickness, 32))
    return upright.placed(0, 0, yaw=rng.uniform(0.8, 2.2))


def build_animal(rng: np.random.Generator) -> Surface:
    """Four-legged animal with random proportions between a dog, a cow and a giraffe."""
    first, second = rng.permutation(len(_COATS))[:2]
    coat, accent = _plain(Material.FUR, _COATS[first]), _plain(Material.FUR, _COATS[second])
    leg, length, girth = rng.uniform(0.35, 0.9), rng.uniform(0.45, 0.85), rng.uniform(0.2, 0.38)
    neck = rng.uniform(0.25, 1.0)
    back = leg + girth
    head = np.array([length + 0.15 + 0.3 * neck, 0, back + neck])
    body = [ellipsoid((0, 0, back), (length, girth, girth)),
            limb((length - 0.15, 0, back), head, 0.6 * girth, 0.35 * girth),
            ellipsoid(head + vector(0.08, 0, 0), (0.24, 0.11, 0.12)),
            limb((-length + 0.05, 0, back), (-length - 0.2, 0, leg * 0.6), 0.06, 0.03)]
    for side in (-1, 1):
        body.append(ellipsoid(head + vector(-0.06, side * 0.11, 0.1), (0.04, 0.06, 0.09), 1))
        for x in (-0.7 * length, 0.7 * length):
            body.append(limb((x, side * 0.6 * girth, back), (x, side * 0.6 * girth, 0),
                             0.4 * girth, 0.07))
    spots = [ellipsoid((x, y, back + 0.1), (0.2, 0.5 * girth, 0.7 * girth))
             for x, y in ((-0.3 * length, 0.55 * girth), (0.35 * length, -0.55 * girth))]
    whole = Surface.concatenate([_assemble(coat, *body), _assemble(accent, *spots)])
    return whole.placed(0, 0, yaw=rng.uniform(0.6, 2.4) * rng.choice([-1, 1]))


def build_refrigerator(rng: np.random.Generator) -> Surface:
    """Refrigerator with a handle."""
    skin = _cover(rng, Material.PAINT, Material.CONCRETE)
    dark = _plain(Material.RUBBER, (0.25, 0.25, 0.25))
    tall = rng.uniform(1.2, 1.8)
    body = box((0, 0, tall / 2 + 0.03), (0.62, 0.62, tall))
    parts = [box((-0.32, 0, 0.65 * tall), (0.02, 0.63, 0.03)),
             limb((-0.35, 0.24, 0.7 * tall), (-0.35, 0.24, 0.9 * tall), 0.02, 0.02)]
    return Surface.concatenate([_assemble(skin, body), _assemble(dark, *parts)])


def build_bed(rng: np.random.Generator) -> Surface:
    """Bed with a pillow."""
    frame, sheet = _cover(rng, Material.WOOD), _cover(rng, *_FABRICS)
    wood = [box((0, 0, 0.2), (1.0, 1.9, 0.22)), box((0, 0.95, 0.45), (1.0, 0.06, 0.9))]
    pillow = ellipsoid((0, 0.65, 0.55), (0.36, 0.22, 0.12))
    return Surface.concatenate([
        _assemble(frame, *wood), _assemble(sheet, box((0, 0, 0.4), (0.96, 1.84, 0.2))),
        _assemble(_cover(rng, *_FABRICS), pillow),
    ])


def build_boxes(rng: np.random.Generator) -> Surface:
    """Stack of cardboard boxes."""
    surfaces, base = [], 0.0
    for _ in range(rng.integers(2, 5)):
        size = rng.uniform(0.3, 0.65, 3)
        shade = rng.uniform(0.75, 1.0) * np.array([0.85, 0.68, 0.48])
        mesh = box((*rng.normal(0, 0.06, 2), base + size[2] / 2), size)
        skin = Skin(Material.WOOD, shade, VOID, foreign=True)
        surfaces.append(Surface.from_mesh(mesh, skin))
        base += size[2]
    return Surface.concatenate(surfaces)


def build_duck(rng: np.random.Generator) -> Surface:
    """Giant toy duck."""
    size = rng.uniform(0.8, 1.3)
    yellow = _plain(Material.PAINT, (1.0, 0.85, 0.15))
    orange = _plain(Material.PAINT, (0.95, 0.45, 0.1))
    body = [ellipsoid((0, 0, 0.38), (0.6, 0.42, 0.38), 3), ellipsoid((0.4, 0, 0.85), (0.27,) * 3),
            limb((-0.4, 0, 0.45), (-0.75, 0, 0.72), 0.22, 0.08)]
    bill = ellipsoid((0.68, 0, 0.82), (0.16, 0.14, 0.05))
    eyes = [ellipsoid((0.58, side * 0.13, 0.95), (0.06,) * 3, 1) for side in (-1, 1)]
    dark = _plain(Material.RUBBER, (0.1, 0.1, 0.1))
    whole = [_assemble(yellow, *body), _assemble(orange, bill), _assemble(dark, *eyes)]
    return Surface.concatenate(whole).placed(0, 0, yaw=rng.uniform(1.2, 4.0), scale=size)


def build_washing_machine(rng: np.random.Generator) -> Surface:
    """Washing machine with a porthole."""
    white = _plain(Material.PAINT, (0.9, 0.91, 0.92))
    metal, dark = _plain(Material.PAINT, (0.55,) * 3), _plain(Material.GLASS, (0.3,) * 3)
    size = rng.uniform(0.9, 1.2)
    whole = [_assemble(white, box((0, 0, 0.44), (0.6, 0.6, 0.86))),
             _assemble(metal, disc((0, -0.3, 0.42), 0.22, 0.06)),
             _assemble(dark, disc((0, -0.31, 0.42), 0.16, 0.08),
                       box((0, -0.3, 0.78), (0.5, 0.02, 0.1)))]
    return Surface.concatenate(whole).placed(0, 0, yaw=-np.pi / 2, scale=size)


FOREIGN_BUILDERS: dict[str, Callable[[np.random.Generator], Surface]] = {
    'animal': build_animal,
    'ball': build_ball,
    'bathtub': build_bathtub,
    'bed': build_bed,
    'boxes': build_boxes,
    'chair': build_chair,
    'duck': build_duck,
    'refrigerator': build_refrigerator,
    'ring': build_ring,
    'sofa': build_sofa,
    'table': build_table,
    'washing machine': build_washing_machine,
}
"""Builders of foreign objects by name."""
