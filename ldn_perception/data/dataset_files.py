# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files of datasets, read with errors that name file and layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ldn_perception.errors import DatasetError, FrameError

Parsed = TypeVar('Parsed')


def list_files(root: Path, pattern: str, layout: str) -> list[Path]:
    """Files below a root that fit a pattern, sorted.

    Args:
        root: Folder of the dataset.
        pattern: As `Path.glob` takes it.
        layout: How the dataset lies on the disk, for the error.

    Raises:
        DatasetError: There is no such folder, or nothing in it fits.
    """
    if not root.is_dir():
        raise DatasetError(
            f'dataset folder {root}', must_be=f'a folder with {layout}', got='no folder',
            do='download the dataset or correct the path', reason='missing',
        )
    found = sorted(root.glob(pattern))
    if not found:
        raise DatasetError(
            f'dataset folder {root}', must_be=f'a folder with {layout}',
            got=f'nothing that fits {pattern}', do='check the split and how it was unpacked',
            reason='layout',
        )
    return found


def partners(
    files: Sequence[Path], partner_of: Callable[[Path], Path], layout: str
) -> list[Path]:
    """The file that belongs to each of some files.

    Args:
        files: Images.
        partner_of: Where the labels of an image lie.
        layout: How the dataset lies on the disk, for the error.

    Raises:
        DatasetError: One is missing.
    """
    found = [partner_of(path) for path in files]
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise DatasetError(
            f'file {missing[0]}', must_be=f'there, in a layout of {layout}',
            got=f'{len(missing)} of {len(found)} such files missing',
            do='unpack the dataset again', reason='missing',
        )
    return found


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image as it is stored (no rotation by EXIF), (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: The file is missing or not an image.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_plane(path: Path, dtype: type[np.generic], meaning: str) -> NDArray[Any]:
    """Read an image of one channel, (H, W).

    Args:
        path: PNG or the like.
        dtype: Type its pixels must have.
        meaning: What a pixel holds, for the error.

    Raises:
        DatasetError: The file is missing, not an image, or of other channels or type.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise DatasetError(
            f'file {path}', must_be=f'(H, W) {np.dtype(dtype)}, {meaning}',
            got=f'{image.shape} {image.dtype}', do='convert it', reason='damaged',
        )
    return image


def read_indices(path: Path, meaning: str) -> NDArray[np.uint8]:
    """Read palette indices or grey values, (H, W) uint8; OpenCV would look a palette up.

    Raises:
        DatasetError: The file is missing, not an image, or a colour image.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            indices = np.array(image) if mode in ('L', 'P') else None
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise _unreadable(path, str(error)) from error
    if indices is None:
        raise DatasetError(
            f'file {path}', must_be=f'grey or with a palette, {meaning}', got=f'mode {mode}',
            do='convert it', reason='damaged',
        )
    return indices


def read_parsed(path: Path, parse: Callable[[str], Parsed], meaning: str) -> Parsed:
    """Read a text file.

    Args:
        path: JSON or the like.
        parse: Makes the result of the text; whatever a lookup or a conversion raises in it says
            that the file is damaged.
        meaning: What the file holds, for the error.

    Raises:
        DatasetError: The file is missing, or does not hold that.
    """
    try:
        return parse(path.read_text())
    except (OSError, ValueError, LookupError, TypeError, FrameError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DatasetError(
            f'file {path}', must_be=meaning, got='no file' if missing else repr(error),
            do='unpack or download it again', reason='missing' if missing else 'damaged',
        ) from error


def _decode(path: Path, flags: int) -> NDArray[Any]:
    """Decode from memory: OpenCV's own file reading fails silently and on non-ASCII paths."""
    try:
        stream = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    image = cv2.imdecode(stream, flags) if stream.size else None
    if image is None:
        raise _unreadable(path, f'{stream.size} other bytes')
    return image


def _unreadable(path: Path, got: str) -> DatasetError:
    return DatasetError(
        f'file {path}', must_be='a readable image', got=got,
        do='unpack or download it again', reason='damaged',
    )


def read_list(path: Path, layout: str) -> list[str]:
    """First word of every line that has one.

    Args:
        path: Text file.
        layout: How the dataset lies on the disk, for the error.

    Raises:
        DatasetError: The file is missing, empty or not text.
    """
    return read_parsed(path, _first_words, f'a list of names, in a layout of {layout}')


def _first_words(text: str) -> list[str]:
    names = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not names:
        raise ValueError('no names')
    return names


SPLITS = ('train', 'val', 'all')
"""val is held out of train; all is both."""

_EVERY = 5

Item = TypeVar('Item')


def hold_out(dataset: str, items: Sequence[Item], split: str) -> list[Item]:
    """Part of a sorted list: every fifth item is val, the others are train.

    Args:
        dataset: Name of the dataset, for the error.
        items: What to split, sorted, the same list for every split.
        split: One of SPLITS.

    Raises:
        DatasetError: There is no such split, or nothing is left in it.
    """
    if split not in SPLITS:
        raise DatasetError(
            f'split of {dataset}', must_be=f'one of {", ".join(SPLITS)}', got=split,
            do='ask for one of these',
        )
    part = [item for number, item in enumerate(items, 1)
            if split == 'all' or (number % _EVERY == 0) == (split == 'val')]
    if not part:
        raise DatasetError(
            f'{dataset}', must_be=f'{_EVERY} or more items of which to hold out',
            got=f'{len(items)}, none in {split}', do='ask for the split train or all',
        )
    return part
