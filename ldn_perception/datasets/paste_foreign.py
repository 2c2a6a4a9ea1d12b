# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pastes foreign things onto roads, so that a network sees what it must not take for road.

A photograph of a room teaches that a room is foreign; a sheep on the road is foreign in a scene
that is not.

Source: Bevandić et al., Simultaneous semantic segmentation and outlier detection in presence of
domain shift, GCPR 2019, where whole boxes are pasted into the training images; things with their
outline leave no straight edges to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.foreign_cutouts import Cutout, ForeignCutouts

_HEIGHTS = (0.06, 0.5)
"""Height of a pasted thing as a share of the image's, drawn log-uniformly."""

_MAX_ENLARGEMENT = 2.0
_MATCH = (0.2, 0.7)
"""How far the light of a thing goes towards that of its place, drawn uniformly."""

_CONTRAST = (0.6, 1.6)
_EDGE_SIGMA_PX = 0.8


@dataclass(frozen=True, slots=True)
class Paste:
    """An image with a thing in it that was not there.

    Attributes:
        image: (H, W, 3) uint8 RGB, a new array.
        mask: (H, W) bool, True where the thing hides what was there: the caller writes what the
            pixel now is.
        class_id: Class of the thing in the taxonomy of its cut-out.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    class_id: int


def paste_foreign(
    image: NDArray[np.uint8], cutouts: ForeignCutouts, rng: np.random.Generator,
    ground: NDArray[np.bool_] | None = None,
) -> Paste:
    """Paste one thing at a random size, mirrored or not, in the light of its place.

    Args:
        image: (H, W, 3) uint8 RGB.
        cutouts: Things to choose from.
        rng: Source of chance.
        ground: (H, W) bool, where a thing may stand, such as the road; without any, a thing
            stands anywhere in the lower half.
    """
    cutout = cutouts.choose(rng)
    thing, alpha = _resize(cutout, image.shape[0], rng)
    foot = _foot(image.shape[:2], ground, rng)
    place, part = _overlap(image.shape[:2], alpha.shape, foot)
    lit = _relight(thing[part], alpha[part], image[_around(place)], rng)
    weight = alpha[part][..., None]
    pasted = image.copy()
    pasted[place] = np.rint(weight * lit + (1 - weight) * image[place])
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[place] = alpha[part] > 0.5
    return Paste(pasted, mask, cutout.class_id)


def _resize(
    cutout: Cutout, image_height_px: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A thing at the size it is pasted, (h, w, 3) in [0, 255], and its alpha, (h, w) in [0, 1]."""
    height, width = cutout.mask.shape
    share = np.exp(rng.uniform(*np.log(_HEIGHTS)))
    scale = min(share * image_height_px / height, _MAX_ENLARGEMENT)
    size = (max(round(width * scale), 2), max(round(height * scale), 2))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    thing = cv2.resize(cutout.image.astype(np.float32), size, interpolation=interpolation)
    solid = cv2.resize(cutout.mask.astype(np.float32), size, interpolation=interpolation) > 0.5
    if rng.random() < 0.5:
        thing, solid = thing[:, ::-1], solid[:, ::-1]
    return np.asarray(thing, np.float32), _soft_edge(solid)


def _soft_edge(solid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Alpha of a mask: one pixel less of it, as outlines are drawn wide, and no sharp step."""
    padded = np.pad(solid.astype(np.float32), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(eroded, (0, 0), _EDGE_SIGMA_PX)[1:-1, 1:-1].astype(np.float32)


def _foot(
    shape: tuple[int, ...], ground: NDArray[np.bool_] | None, rng: np.random.Generator
) -> tuple[int, int]:
    """Row and column on which the middle of the lower edge stands."""
    if ground is not None and ground.any():
        places = np.flatnonzero(ground)
        row, column = np.unravel_index(places[rng.integers(len(places))], shape)
        return int(row), int(column)
    return int(rng.integers(shape[0] // 2, shape[0])), int(rng.integers(shape[1]))


def _overlap(
    shape: tuple[int, ...], size: tuple[int, ...], foot: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a thing lies in the image, and which part of it is not beyond the border."""
    top, left = foot[0] + 1 - size[0], foot[1] - size[1] // 2
    place, part = [], []
    for start, length, limit in zip((top, left), size, shape, strict=True):
        first, last = max(start, 0), min(start + length, limit)
        place.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return (place[0], place[1]), (part[0], part[1])


def _around(place: tuple[slice, slice]) -> tuple[slice, slice]:
    """The place and half its size more on each side."""
    rows, columns = (
        slice(max(side.start - (side.stop - side.start) // 2, 0),
              side.stop + (side.stop - side.start) // 2) for side in place)
    return rows, columns


def _relight(
    thing: NDArray[np.float32], alpha: NDArray[np.float32], around: NDArray[np.uint8],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """A thing with mean and contrast moved towards those of its surroundings, in [0, 255]."""
    inside = thing[alpha > 0.5]
    if not len(inside):
        return thing
    match = rng.uniform(*_MATCH)
    contrast = np.clip((around.std() + 1) / (inside.std() + 1), *_CONTRAST) ** match
    mean = inside.mean()
    shift = match * (around.mean() - mean)
    return np.clip((thing - mean) * contrast + mean + shift, 0, 255).astype(np.float32)
