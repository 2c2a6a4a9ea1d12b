# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Crops of stereo pairs for training a correspondence metric.

Source: Žbontar and LeCun (JMLR 2016), section 4.2 and table 5, for the kinds of augmentation; the
amounts are ours. Columns are never shifted, so disparities stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.data.dataset_files import list_files, partners, read_parsed, read_rgb
from ldn_perception.data.kitti import json_geometry
from ldn_perception.data.stereo_pairs import StereoPair, StereoPairs
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.training.recipe import CorrespondenceRecipe
from ldn_perception.types import StereoFrame


class DrawnDomain(NamedTuple):
    """Stereo dataset of a training with its sampling weight.

    Attributes:
        pairs: Stereo dataset.
        share: Sampling weight, relative to the other domains.
    """

    pairs: StereoPairs
    share: float


class PairBatch(NamedTuple):
    """Batch of one training step; see `CropView`.

    Attributes:
        left: (N, 1, h + 2r, w + 2r) float32.
        right: (N, 1, h + 2r, w + 2r) float32.
        column: (N, h, w) float32 [px], NaN where there is no match.
    """

    left: Tensor
    right: Tensor
    column: Tensor


class PairBatches:
    """Batches of crops, reproducible by seed and step.

    Args:
        domains: One or more domains.
        views: Cropping and augmentation.
        batch_pairs: Pairs per batch.
        seed: Seed of order and views.
    """

    def __init__(
        self, domains: Sequence[DrawnDomain], views: PairViews, batch_pairs: int, seed: int,
    ) -> None:
        self._domains, self._views, self._seed = domains, views, seed
        self._batch_pairs = batch_pairs
        shares = np.array([domain.share for domain in domains])
        self._shares = shares / shares.sum()

    def batch(self, step: int) -> PairBatch:
        """Draw the pairs of a step and crop them.

        Raises:
            DatasetError: A file is missing or damaged.
        """
        random = np.random.default_rng((self._seed, step))
        views = []
        for _ in range(self._batch_pairs):
            pairs = self._domains[random.choice(len(self._domains), p=self._shares)].pairs
            views += self._views.views(pairs[int(random.integers(len(pairs)))], random)
        left, right, column = (
            torch.from_numpy(np.stack(parts)) for parts in zip(*views, strict=True))
        return PairBatch(left[:, None], right[:, None], column)


_LEAST_DEVIATION = 1.0


class CropView(NamedTuple):
    """Crops of the left and right image with the true matches.

    Attributes:
        left: (h + 2r, w + 2r) float32, grey, standardised before changes of light.
        right: Same for the right image.
        column: (h, w) float32, column in the right crop that matches each pixel of the left crop,
            both without their rim of r pixels [px], in [0, w - 1]; NaN without a match.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]
    column: NDArray[np.float32]


class PairViews:
    """Cropping and augmentation of stereo pairs: light, geometry and noise.

    Args:
        recipe: Sizes and amounts.
        is_plain: True to crop without augmentation.
    """

    def __init__(self, recipe: CorrespondenceRecipe, *, is_plain: bool = False) -> None:
        self._recipe = recipe
        self._is_plain = is_plain
        self._rim = recipe.num_layers
        self._height = recipe.crop_height_px + 2 * self._rim
        self._width = recipe.crop_width_px + 2 * self._rim

    def views(self, pair: StereoPair, random: np.random.Generator) -> list[CropView]:
        """Cut crops_per_pair crops at random places.

        Args:
            pair: Stereo pair; at least one pixel has a disparity.
            random: Random generator.
        """
        assert pair.frame.right is not None  # guaranteed by every stereo dataset
        grey = [_grey(image) for image in (pair.frame.left, pair.frame.right)]
        disparity = pair.disparity
        if pair.matched is not None:
            disparity = np.where(pair.matched, disparity, np.float32(np.nan))
        size = self._size(disparity.shape, random)
        left, right = (self._lit(_resized(image, size), random) for image in grey)
        scale = size[0] / disparity.shape[1]
        disparity = scale * cv2.resize(disparity, size, interpolation=cv2.INTER_NEAREST)
        return [
            self._crop(left, right, disparity, random)
            for _ in range(self._recipe.crops_per_pair)]

    def _size(
        self, shape: tuple[int, ...], random: np.random.Generator,
    ) -> tuple[int, int]:
        """Random width and height of the resized images, at least the size of a crop."""
        smallest, largest = self._recipe.smallest_scale, self._recipe.largest_scale
        scale = 1.0 if self._is_plain else float(
            np.exp(random.uniform(np.log(smallest), np.log(largest))))
        height, width = shape
        scale = max(scale, self._height / height, self._width / width)
        return max(self._width, round(scale * width)), max(self._height, round(scale * height))

    def _lit(
        self, image: NDArray[np.uint8], random: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Standardised image with random changes of the camera."""
        recipe = self._recipe
        if self._is_plain:
            return _standardised(image)
        gamma = np.exp(random.uniform(-recipe.contrast, recipe.contrast))
        levels = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
        lit = _standardised(np.asarray(cv2.LUT(image, levels), np.uint8))
        blur_px = random.uniform(-recipe.blur_px, recipe.blur_px)
        if blur_px > 0.2:
            lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), blur_px), np.float32)
        gain = np.exp(random.uniform(-recipe.contrast, recipe.contrast))
        offset = random.uniform(-recipe.brightness, recipe.brightness)
        noise = random.standard_normal(lit.shape, np.float32)
        noise *= np.float32(random.uniform(0, recipe.noise))
        return np.asarray(lit * np.float32(gain) + np.float32(offset) + noise, np.float32)

    def _crop(
        self, left: NDArray[np.float32], right: NDArray[np.float32],
        disparity: NDArray[np.float32], random: np.random.Generator,
    ) -> CropView:
        rim, width = self._rim, self._recipe.crop_width_px
        y = int(random.integers(0, left.shape[0] - self._height + 1))
        x = int(random.integers(0, left.shape[1] - self._width + 1))
        known = disparity[y + rim:y + self._height - rim, x + rim:x + self._width - rim]
        shift = 0
        if np.isfinite(known).any():
            shift = int(np.nanmedian(known)) + int(random.integers(-width // 4, width // 4 + 1))
        x_right = int(np.clip(x - shift, 0, left.shape[1] - self._width))
        column = np.arange(width, dtype=np.float32) + np.float32(x - x_right) - known
        column[~((column >= 0) & (column <= width - 1))] = np.nan
        return CropView(
            left[y:y + self._height, x:x + self._width],
            self._misaligned(right, y, x_right, random), column)

    def _misaligned(
        self, image: NDArray[np.float32], y: int, x: int, random: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Crop of an image with a random vertical misalignment."""
        if self._is_plain:
            return image[y:y + self._height, x:x + self._width]
        recipe = self._recipe
        shift = random.uniform(-recipe.vertical_shift_px, recipe.vertical_shift_px)
        slope, stretch = random.uniform(-recipe.vertical_slope, recipe.vertical_slope, 2)
        shift -= slope * self._width / 2 + stretch * self._height / 2
        moved = np.array([[1, 0, x], [slope, 1 + stretch, y + shift]])
        return np.asarray(cv2.warpAffine(
            image, moved, (self._width, self._height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE),
            np.float32)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _standardised(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Image standardised as a whole, as in the network."""
    grey = image.astype(np.float32)
    return np.asarray((grey - grey.mean()) / max(_LEAST_DEVIATION, float(grey.std())), np.float32)


LAYOUT = 'calib.json with left.png and right.png, or with image_l/NAME.png and image_r/NAME.png'
AGREEMENT_PX = 1.0
"""Largest accepted difference between the disparities of two teachers."""


class AgreedPairs:
    """Pairs of a drive, or a single pair, with disparity where the teachers agree.

    It is unknown elsewhere, as in all pixels visible to one camera only. A pair is matched on
    first access and cached.

    Args:
        root: Folder of the drive or the pair.
        teachers: Two or more matchers; the disparities are those of the first.

    Raises:
        DatasetError: A file is missing.
    """

    def __init__(self, root: Path, teachers: Sequence[Matcher]) -> None:
        self._teachers = teachers
        self._is_single = (root / 'left.png').is_file()
        self._lefts = list_files(
            root, 'left.png' if self._is_single else 'image_l/*.png', LAYOUT)
        self._calibration = root / 'calib.json'
        partners(self._lefts, self._right, LAYOUT)
        self._known: dict[int, StereoPair] = {}

    def __len__(self) -> int:
        return len(self._lefts)

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len).

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
            StereoError: A pair is narrower than the search range of a teacher.
        """
        if index not in self._known:
            self._known[index] = self._taught(index)
        return self._known[index]

    def _taught(self, index: int) -> StereoPair:
        path = self._lefts[index]
        left, right = read_rgb(path), read_rgb(self._right(path))
        geometry = read_parsed(
            self._calibration, json_geometry(left.shape[:2]),
            'JSON with fx, fy, cx, cy and baseline_m')
        frame = StereoFrame(index, 'left_camera', left, right, geometry)
        disparity = agreed_disparity(
            [teacher.match(frame).to_host() for teacher in self._teachers])
        return StereoPair(path.stem, frame, disparity, np.isfinite(disparity))

    def _right(self, left: Path) -> Path:
        if self._is_single:
            return left.with_name('right.png')
        return left.parents[1] / 'image_r' / left.name


def agreed_disparity(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Values of the first map where all other maps agree with it.

    Args:
        maps: Disparity maps, each (H, W) float32 [px], NaN where unknown.

    Returns:
        (H, W) float32 [px], NaN where any map is unknown or differs by more than AGREEMENT_PX.
    """
    agrees = np.all([np.abs(other - maps[0]) <= AGREEMENT_PX for other in maps], axis=0)
    return np.where(agrees, maps[0], np.float32(np.nan))
