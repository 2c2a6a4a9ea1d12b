# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI semantics 2015, the 445 frames of the thesis, and KITTI stereo 2012 and 2015."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import (
    hold_out,
    list_files,
    partners,
    read_indices,
    read_parsed,
    read_plane,
    read_rgb,
)
from ldn_perception.data.labelled_images import LABEL_IDS, LabelledFiles, check_split
from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.driving import CITYSCAPES, KITTI11
from ldn_perception.types import UNLABELLED, CameraGeometry, StereoFrame

SEMANTICS_LAYOUT = (
    'training/image_2/NAME.png and training/semantic/NAME.png, '
    'or images/NAME.jpg (or .png) and labelIds/NAME.png')


class KittiSemantics(LabelledFiles):
    """Left colour images of about 1242×375 px, with the 19 classes of Cityscapes.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth image) or 'all'. The labels of the 200 official test
            images are not public.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Alhaija et al., Augmented reality meets computer vision, IJCV 2018.
    """

    def __init__(self, root: Path, split: str) -> None:
        public = (root / 'training').is_dir()
        found = list_files(
            root, 'training/image_2/*_10.png' if public else 'images/*.*', SEMANTICS_LAYOUT)
        images = hold_out('KITTI semantics', found, split)
        folder = root / ('training/semantic' if public else 'labelIds')
        labels = partners(images, lambda image: folder / f'{image.stem}.png', SEMANTICS_LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, LABEL_IDS)


KITTI_445_LAYOUT = (
    '{train,valid}/data/rgb/NAME.png, {train,valid}/labels/NAME.png in the class colours '
    'and, where there, {train,valid}/data/depth/NAME.png')
SPLITS = {'train': 'train', 'test': 'valid'}
"""399 training images and 46 test images; the folder of the latter is named valid."""
BASELINE_M = 0.53715
"""Baseline of the colour cameras; the calibrations of the sequences differ by < 0.1 mm."""


class Kitti445(LabelledFiles):
    """Images of about 1241×376 px with 11 classes and the apparent size of one metre.

    Disparity images hold whole pixels in 8 bit, 0 = unknown.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'test'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: thesis section 3.3: 146 images of Ros et al., Vision-based offline-online perception
    paradigm for autonomous driving, WACV 2015, with better labels, and 299 more. The layout and
    the class colours follow the authors' public data reader.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('the KITTI set of 445 images', split, SPLITS)
        folder = root / SPLITS[split]
        images = list_files(root, f'{SPLITS[split]}/data/rgb/*.png', KITTI_445_LAYOUT)
        labels = partners(images, lambda image: folder / 'labels' / image.name, KITTI_445_LAYOUT)
        super().__init__(KITTI11, root, images, labels, read_colors)

    def _beside(self, index: int) -> dict[str, Any]:
        image = self._images[index]
        disparity = image.parent.parent / 'depth' / image.name
        if not disparity.is_file():
            return {}
        values = read_indices(disparity, 'disparity in whole pixels').astype(np.float32)
        values[values == 0] = np.nan
        return {'pixels_per_metre': values / np.float32(BASELINE_M)}


def read_colors(path: Path) -> NDArray[np.uint8]:
    """Read a label image in class colours as class ids, (H, W) uint8; black is unknown.

    Raises:
        DatasetError: The file is missing, damaged, or contains another colour.
    """
    codes = _color_codes(read_rgb(path))
    table = {0: UNLABELLED, **{
        int(_color_codes(np.array(info.color))): index
        for index, info in enumerate(KITTI11.classes)}}
    found, places = np.unique(codes, return_inverse=True)
    strange = [f'#{code:06x}' for code in found.tolist() if code not in table]
    if strange:
        raise DatasetError(
            f'file {path}', must_be='of the 11 class colours and black', got=strange[:5],
            do='check that it was not resized or compressed', reason='damaged',
        )
    ids = np.array([table[code] for code in found.tolist()], np.uint8)
    return ids[places.reshape(codes.shape)]


def _color_codes(colors: NDArray[Any]) -> NDArray[np.int64]:
    """RGB (..., 3) packed into one integer each."""
    codes: NDArray[np.int64] = colors.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return codes


class Release(NamedTuple):
    """Folders of one release, below training/.

    Attributes:
        left: Left images.
        right: Right images.
        occluded: Ground truth of all pixels.
        matched: Ground truth of the pixels visible in the right image.
        calibration: Calibration files.
        projections: Names of the left and right projection matrix in a calibration file.
    """

    left: str
    right: str
    occluded: str
    matched: str
    calibration: str
    projections: tuple[str, str]


RELEASES = (
    Release('image_2', 'image_3', 'disp_occ_0', 'disp_noc_0', 'calib_cam_to_cam',
            ('P_rect_02', 'P_rect_03')),
    Release('colored_0', 'colored_1', 'disp_occ', 'disp_noc', 'calib', ('P2', 'P3')),
    Release('image_0', 'image_1', 'disp_occ', 'disp_noc', 'calib', ('P0', 'P1')),
)
"""Releases 2015, 2012 colour, 2012 grey; the first one with images is used."""
STEREO_LAYOUT = (
    'training/{image_2,image_3,disp_occ_0,disp_noc_0} and training/calib_cam_to_cam (2015), '
    'or training/{colored_0,colored_1,disp_occ,disp_noc,calib} (2012; image_0 and image_1 '
    'in grey)')
PAIR_LAYOUT = 'left.png, right.png, calib.json, and disp_occ.png or disp_gt.png'


class KittiStereo:
    """KITTI stereo: 194 (2012) or 200 (2015) pairs with public ground truth.

    Args:
        root: Folder that contains training/.

    Raises:
        DatasetError: Files are missing.

    Source: Geiger et al., Are we ready for autonomous driving?, CVPR 2012; Menze and Geiger,
    Object scene flow for autonomous vehicles, CVPR 2015.
    """

    def __init__(self, root: Path) -> None:
        self._training = root / 'training'
        self._release = next(
            (known for known in RELEASES if (self._training / known.left).is_dir()), RELEASES[0])
        self._images = list_files(root, f'training/{self._release.left}/*_10.png', STEREO_LAYOUT)
        for folder in (self._release.right, self._release.occluded, self._release.matched):
            partners(self._images, partial(self._beside, folder), STEREO_LAYOUT)
        partners(self._images, self._calibration, STEREO_LAYOUT)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len).

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is damaged.
        """
        image, release = self._images[index], self._release
        left = read_rgb(image)
        geometry = read_projections(
            self._calibration(image), release.projections, left.shape[:2])
        right = read_rgb(self._beside(release.right, image))
        matched = read_disparity(self._beside(release.matched, image))
        return StereoPair(
            image.stem, StereoFrame(index, 'left_camera', left, right, geometry),
            read_disparity(self._beside(release.occluded, image)), np.isfinite(matched))

    def _beside(self, folder: str, image: Path) -> Path:
        return self._training / folder / image.name

    def _calibration(self, image: Path) -> Path:
        return self._training / self._release.calibration / f'{image.stem.removesuffix("_10")}.txt'


class KittiStereoFolder:
    """Single pair in its own folder, with a JSON calibration.

    Args:
        root: Folder of the pair.

    Raises:
        DatasetError: Files are missing.
    """

    def __init__(self, root: Path) -> None:
        self._left = list_files(root, 'left.png', PAIR_LAYOUT)[0]
        self._truth = list_files(root, 'disp_*.png', PAIR_LAYOUT)[0]
        partners([self._left], lambda left: left.with_name('right.png'), PAIR_LAYOUT)
        partners([self._left], lambda left: left.with_name('calib.json'), PAIR_LAYOUT)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> StereoPair:
        """Read the pair.

        Raises:
            IndexError: The index is not 0.
            DatasetError: A file is damaged.
        """
        left_file = [self._left][index]
        left = read_rgb(left_file)
        geometry = read_parsed(
            left_file.with_name('calib.json'), json_geometry(left.shape[:2]),
            'JSON with fx, fy, cx, cy and baseline_m')
        right = read_rgb(left_file.with_name('right.png'))
        frame = StereoFrame(0, 'left_camera', left, right, geometry)
        return StereoPair(left_file.parent.name, frame, read_disparity(self._truth))


def read_disparity(path: Path) -> NDArray[np.float32]:
    """Read ground truth, (H, W) float32 [px]; file values are 256 steps per pixel, 0 becomes NaN.

    Raises:
        DatasetError: The file is missing, or not a 16-bit image.
    """
    steps = read_plane(path, np.uint16, '256 times the disparity, 0 = unknown')
    return np.where(steps == 0, np.float32(np.nan), steps.astype(np.float32) / 256)


def read_projections(
    path: Path, names: tuple[str, str], shape: tuple[int, ...],
) -> CameraGeometry:
    """Camera geometry of two projection matrices in a calibration file.

    Args:
        path: Text file with lines 'NAME: value value ...', each a 3x4 matrix in row-major order.
        names: Names of the left and right matrix.
        shape: Image shape, (height, width) [px].

    Raises:
        DatasetError: The file is missing or lacks a matrix.
    """
    def parse(text: str) -> CameraGeometry:
        lines = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
        left, right = (
            np.array(lines[name].split(), np.float64).reshape(3, 4) for name in names)
        fx, fy = float(left[0, 0]), float(left[1, 1])
        baseline = float(left[0, 3] - right[0, 3]) / fx
        cx, cy, cx_right = float(left[0, 2]), float(left[1, 2]), float(right[0, 2])
        return CameraGeometry(shape[1], shape[0], fx, fy, cx, cy, cx_right, baseline)

    return read_parsed(path, parse, f'a calibration with the 3x4 matrices {" and ".join(names)}')


def json_geometry(shape: tuple[int, ...]) -> Callable[[str], CameraGeometry]:
    """Build a parser of JSON calibrations: fx, fy, cx, cy [px] and baseline_m [m]."""
    def parse(text: str) -> CameraGeometry:
        values = json.loads(text)
        fx, fy, cx, cy, baseline = (
            float(values[name]) for name in ('fx', 'fy', 'cx', 'cy', 'baseline_m'))
        return CameraGeometry(shape[1], shape[0], fx, fy, cx, cy, cx, baseline)

    return parse
