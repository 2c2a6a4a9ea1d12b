# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation sets of images with masks of foreign objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import list_files, partners, read_indices, read_rgb
from ldn_perception.errors import DatasetError

FOREIGN = 1
IGNORED = 255
_MEANING = '0 for known, 1 for foreign, 255 for ignored'


@dataclass(frozen=True, slots=True)
class AnomalyImage:
    """One road image and its mask of foreign objects.

    Attributes:
        name: Unique within its set: path of the image below the root, without suffix.
        image: (H, W, 3) uint8 RGB.
        foreign: (H, W) bool, True on foreign objects.
        valid: (H, W) bool, False where pixels are not evaluated.

    Raises:
        DatasetError: The shapes of the arrays differ.
    """

    name: str
    image: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        if self.foreign.shape != shape or self.valid.shape != shape:
            raise DatasetError(
                f'mask of {self.name}', must_be=f'{shape} as its image', got=self.foreign.shape,
                do='check that image and mask belong together', reason='size_mismatch',
            )


class AnomalyImages:
    """Images with one mask each, read from disk one at a time.

    Args:
        root: Folder of the set; names of images are paths relative to it.
        images: Image files, in the order of the set.
        masks: Mask files in the same order: 0 = known, 1 = foreign, 255 = ignored.
    """

    def __init__(self, root: Path, images: Sequence[Path], masks: Sequence[Path]) -> None:
        self._root = root
        self._images = images
        self._masks = masks

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> AnomalyImage:
        """Read an image and its mask.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        image, path = self._images[index], self._masks[index]
        mask = read_indices(path, _MEANING)
        strange = sorted(set(np.unique(mask).tolist()) - {0, FOREIGN, IGNORED})
        if strange:
            raise DatasetError(
                f'file {path}', must_be=_MEANING, got=f'the values {strange[:5]}',
                do='check that this is the mask of a foreign object', reason='damaged',
            )
        return AnomalyImage(
            image.relative_to(self._root).with_suffix('').as_posix(), read_rgb(image),
            mask == FOREIGN, mask != IGNORED)


FOLDER_LAYOUT = 'images/NAME.* and masks/NAME.png with 0 for known, 1 for foreign, 255 for ignored'


class AnomalyFolder(AnomalyImages):
    """Folder of images, each with a mask.

    Args:
        root: Folder of the set.

    Raises:
        DatasetError: Files are missing.
    """

    def __init__(self, root: Path) -> None:
        images = list_files(root, 'images/*.*', FOLDER_LAYOUT)
        masks = partners(images, lambda image: root / 'masks' / f'{image.stem}.png', FOLDER_LAYOUT)
        super().__init__(root, images, masks)


FISHYSCAPES_LAYOUT = (
    'fishyscapes_lostandfound/NUMBER_NAME_labels.png and, from Lost and Found, '
    'leftImg8bit/{train,test}/SCENE/NAME_leftImg8bit.png')


class FishyscapesLostAndFound(AnomalyImages):
    """Fishyscapes Lost & Found, public validation set.

    Args:
        root: Folder that contains the mask and image folders.

    Raises:
        DatasetError: Files are missing.

    Source: Blum et al., The Fishyscapes benchmark, IJCV 2021, on images of Pinggera et al.,
    Lost and Found, IROS 2016.
    """

    def __init__(self, root: Path) -> None:
        masks = list_files(root, 'fishyscapes_lostandfound/*_labels.png', FISHYSCAPES_LAYOUT)
        images = {path.name: path for path in list_files(
            root, 'leftImg8bit/**/*_leftImg8bit.png', FISHYSCAPES_LAYOUT)}

        def image_of(mask: Path) -> Path:
            name = mask.name.partition('_')[2].replace('_labels', '_leftImg8bit')
            return images.get(name, root / 'leftImg8bit' / name)

        super().__init__(root, partners(masks, image_of, FISHYSCAPES_LAYOUT), masks)


SMIYC_LAYOUT = (
    'images/NAME.jpg (or .png, .webp) and, for validation images, '
    'labels_masks/NAME_labels_semantic.png')
_SUFFIX = '_labels_semantic'


class SegmentMeIfYouCan(AnomalyImages):
    """One track of SegmentMeIfYouCan, without the test images, whose masks are not public.

    Args:
        root: Folder of the track, dataset_AnomalyTrack or dataset_ObstacleTrack.

    Raises:
        DatasetError: Files are missing.

    Source: Chan et al., SegmentMeIfYouCan: a benchmark for anomaly segmentation, NeurIPS 2021
    datasets and benchmarks. In the obstacle track, 255 also marks everything off the road.
    """

    def __init__(self, root: Path) -> None:
        masks = list_files(root, f'labels_masks/*{_SUFFIX}.png', SMIYC_LAYOUT)
        images = {path.stem: path for path in list_files(root, 'images/*.*', SMIYC_LAYOUT)}
        names = [path.stem.removesuffix(_SUFFIX) for path in masks]
        missing = [name for name in names if name not in images]
        if missing:
            raise DatasetError(
                f'file {root / "images" / missing[0]}.*',
                must_be=f'there, in a layout of {SMIYC_LAYOUT}',
                got=f'{len(missing)} of {len(names)} such files missing',
                do='unpack the dataset again', reason='missing',
            )
        super().__init__(root, [images[name] for name in names], masks)


ANOMALY_SETS: dict[str, Callable[[Path], AnomalyImages]] = {
    'anomaly_folder': AnomalyFolder,
    'segment_me_if_you_can': SegmentMeIfYouCan,
    'fishyscapes_lost_and_found': FishyscapesLostAndFound,
}
"""Builders of anomaly sets by name; a builder takes the folder of the set."""


def build_anomaly_set(name: str, root: Path) -> AnomalyImages:
    """Open an anomaly set by name.

    Args:
        name: One of ANOMALY_SETS.
        root: Folder of the set.

    Raises:
        DatasetError: The name is unknown, or files are missing.
    """
    if name not in ANOMALY_SETS:
        raise DatasetError(
            'anomaly set', must_be=f'one of {", ".join(sorted(ANOMALY_SETS))}', got=name,
            do='ask for one of these',
        )
    return ANOMALY_SETS[name](root)
