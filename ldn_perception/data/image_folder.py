# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of rectified image pairs as stereo samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math
from pathlib import Path
from typing import Any, NamedTuple

from ldn_perception.data.bag_messages import NS_PER_S
from ldn_perception.data.calibration_files import read_calibration
from ldn_perception.data.images import (
    IMAGE_SUFFIXES,
    list_images,
    read_disparity,
    read_foreign,
    read_label_ids,
    read_labels,
    read_rgb,
)
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import BagError
from ldn_perception.types import StereoFrame

DEFAULT_RATE_HZ = 10.0
FRAME_ID = 'left_camera_optical_frame'

_Read = Callable[[Path], Any]


class _Layout(NamedTuple):
    left: str
    right: str
    left_camera: int | None = None  # KITTI number; None: 2 if coloured, 0 if grey


_FOLDERS = (
    _Layout('left', 'right'),
    _Layout('image_l', 'image_r'),
    _Layout('image_2', 'image_3', 2),
    _Layout('image_0', 'image_1', 0),
    _Layout('image_02/data', 'image_03/data', 2),
    _Layout('image_00/data', 'image_01/data', 0),
)
_SINGLE = (_Layout('left', 'right'), _Layout('im0', 'im1'))
_ACCEPTED = (
    ', '.join(f'{layout.left}/ {layout.right}/' for layout in _FOLDERS) + ' with images, or '
    + ', '.join(f'{layout.left}.png {layout.right}.png' for layout in _SINGLE)
)

# Ground truth: (sample field, folder with one file per pair, reader).
_TRUTH_FOLDERS: tuple[tuple[str, str, _Read], ...] = (
    ('labels', 'labels', read_labels),
    ('labels', 'labelIds', read_label_ids),
    ('foreign', 'foreign', read_foreign),
    ('disparity', 'disparity', read_disparity),
)
# Ground truth of a single pair: (sample field, file, reader).
_TRUTH_FILES: tuple[tuple[str, str, _Read], ...] = (
    ('labels', 'semantic_labelIds.png', read_label_ids),
    ('disparity', 'disp_occ.png', read_disparity),
    ('disparity', 'disp_gt.png', read_disparity),
)


def find_layout(path: Path) -> tuple[_Layout, list[Path], list[Path]] | None:
    """Layout of a folder of pairs with its left and right images; None if no layout matches."""
    for layout in _FOLDERS:
        left, right = (list_images(path / side) for side in layout[:2])
        if left and right:
            return layout, left, right
    for layout in _SINGLE:
        for suffix in IMAGE_SUFFIXES:
            pair = path / (layout.left + suffix), path / (layout.right + suffix)
            if pair[0].is_file() and pair[1].is_file():
                return layout, [pair[0]], [pair[1]]
    return None


class ImageFolder:
    """Stereo pairs of a folder in the order of their names, with ground truth if present.

    Layouts; the first match is used: `left/ right/`, `image_l/ image_r/`, `image_2/ image_3/`,
    `image_0/ image_1/`, `image_02/data image_03/data`, `image_00/data image_01/data`, or one pair
    `left.png right.png` or `im0.png im1.png`. The images of a pair have the same name.

    Calibration: `calib.json`, or KITTI's `calib.txt` with the matrices of the layout's cameras
    (colour or grey).

    Ground truth, by the name of the left image: `labels/` (class ids), `labelIds/` (Cityscapes
    ids), `foreign/` (0 or 255), `disparity/` (uint16, 256 steps per pixel, 0 = unknown); for a
    single pair also `semantic_labelIds.png`, `disp_occ.png`, `disp_gt.png`. Pairs without a file
    have no ground truth.

    Args:
        path: Path of the folder.
        rate_hz: Rate of the pairs; None takes that of the calibration, else 10 Hz.

    Attributes:
        geometry: Camera geometry of the rig.
        rate_hz: Rate of the pairs [Hz].

    Raises:
        BagError: No layout matches, left and right do not match, the calibration is missing or
            invalid, an image is invalid, or the rate is not positive.
    """

    def __init__(self, path: str | Path, rate_hz: float | None = None) -> None:
        self.path = Path(path)
        if rate_hz is not None and not 0 < rate_hz < math.inf:
            raise BagError(
                'rate of an image folder', must_be='> 0 Hz', got=rate_hz,
                do='give the rate the pairs were taken at',
            )
        layout, self._pairs = self._find_pairs()
        left = read_rgb(self._pairs[0][0])
        grey = bool((left == left[..., :1]).all())
        camera = layout.left_camera if layout.left_camera is not None else (0 if grey else 2)
        calibration = read_calibration(self.path, left.shape[1], left.shape[0], camera)
        self.geometry = calibration.geometry
        self.rate_hz = rate_hz or calibration.rate_hz or DEFAULT_RATE_HZ
        self._truth = self._find_truth()

    def _find_pairs(self) -> tuple[_Layout, list[tuple[Path, Path]]]:
        found = find_layout(self.path)
        if found is not None:
            layout, left, right = found
            if left[0].parent != right[0].parent:
                self._check_names(layout, left, right)
            return layout, list(zip(left, right, strict=True))
        held = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else None
        raise BagError(
            f'image folder {self.path}', must_be=_ACCEPTED,
            got='no folder' if held is None else ', '.join(held[:12]) or 'an empty folder',
            do='arrange the images in one of these layouts',
        )

    def _check_names(self, layout: _Layout, left: list[Path], right: list[Path]) -> None:
        if len(left) != len(right):
            raise BagError(
                f'images in {self.path / layout.right}',
                must_be=f'{len(left)} as in {layout.left}', got=len(right),
                do='keep only complete pairs',
            )
        for left_path, right_path in zip(left, right, strict=True):
            if left_path.stem != right_path.stem:
                raise BagError(
                    f'right image of {left_path}', must_be=f'named {left_path.stem}',
                    got=right_path.name, do='give the images of a pair the same name',
                )

    def _find_truth(self) -> list[dict[str, tuple[_Read, Path]]]:
        """Ground-truth files of every pair."""
        truth: list[dict[str, tuple[_Read, Path]]] = [{} for _ in self._pairs]
        for field, name, read in _TRUTH_FOLDERS:
            files = {path.stem: path for path in list_images(self.path / name)}
            stems = [left.stem for left, _ in self._pairs]
            if files and not files.keys() & set(stems):
                raise BagError(
                    f'ground truth in {self.path / name}',
                    must_be=f'named as the left images, e.g. {stems[0]}',
                    got=next(iter(files.values())).name, do='rename the files',
                )
            for found, stem in zip(truth, stems, strict=True):
                if stem in files:
                    found.setdefault(field, (read, files[stem]))
        if len(truth) == 1:
            for field, name, read in _TRUTH_FILES:
                if (self.path / name).is_file():
                    truth[0].setdefault(field, (read, self.path / name))
        return truth

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last pair [s]."""
        return (len(self) - 1) / self.rate_hz

    @property
    def names(self) -> list[str]:
        """Names of the pairs: left file names without suffix."""
        return [left.stem for left, _ in self._pairs]

    def __iter__(self) -> Iterator[StereoSample]:
        """Iterate over the pairs; the first stamp is one period, as stamp 0 means unset in ROS.

        Raises:
            BagError: A file is not an image, or differs in size from the first left image.
        """
        for index in range(len(self)):
            truth = {
                field: self._sized(read(path), path)
                for field, (read, path) in self._truth[index].items()
            }
            yield StereoSample(self.read_frame(index), **truth)

    def read_frame(self, index: int) -> StereoFrame:
        """Read one pair without its ground truth.

        Raises:
            BagError: A file is not an image, or differs in size from the first left image.
        """
        left, right = self._pairs[index]
        return StereoFrame(
            stamp_ns=round((index + 1) * NS_PER_S / self.rate_hz),
            frame_id=FRAME_ID,
            left=self._sized(read_rgb(left), left),
            right=self._sized(read_rgb(right), right),
            geometry=self.geometry,
        )

    def _sized(self, image: Any, path: Path) -> Any:
        if image.shape[:2] != self.geometry.shape:
            raise BagError(
                f'size of {path}', must_be=f'{self.geometry.shape} as the first left image',
                got=image.shape[:2], do='keep images of one size in the folder',
            )
        return image
