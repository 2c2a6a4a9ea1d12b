# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""File readers of datasets; errors name the file and the expected layout."""

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
    """Sorted files below a root that match a pattern.

    Args:
        root: Folder of the dataset.
        pattern: Pattern for `Path.glob`.
        layout: Expected folder layout, for the error.

    Raises:
        DatasetError: The folder is missing, or no file matches.
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
    """Partner files of images, checked to exist.

    Args:
        files: Image files.
        partner_of: Path of the partner (e.g. the label image) of an image.
        layout: Expected folder layout, for the error.

    Raises:
        DatasetError: A partner is missing.
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
    """Read an image as stored (no EXIF rotation), (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: The file is missing or not an image.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_plane(path: Path, dtype: type[np.generic], meaning: str) -> NDArray[Any]:
    """Read a single-channel image, (H, W).

    Args:
        path: Image file, e.g. PNG.
        dtype: Required pixel type.
        meaning: Content of a pixel, for the error.

    Raises:
        DatasetError: The file is missing or not an image, or has other channels or another type.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise DatasetError(
            f'file {path}', must_be=f'(H, W) {np.dtype(dtype)}, {meaning}',
            got=f'{image.shape} {image.dtype}', do='convert it', reason='damaged',
        )
    return image


def read_indices(path: Path, meaning: str) -> NDArray[np.uint8]:
    """Read palette indices or grey values, (H, W) uint8; OpenCV would apply the palette.

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
    """Read and parse a text file.

    Args:
        path: Text file, e.g. JSON.
        parse: Parser of the text; its lookup and conversion errors mark the file as damaged.
        meaning: Content of the file, for the error.

    Raises:
        DatasetError: The file is missing or damaged.
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
    """Decode from memory: OpenCV file reading fails silently, and fails on non-ASCII paths."""
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
    """First word of every non-empty line.

    Args:
        path: Text file.
        layout: Expected folder layout, for the error.

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
"""Split names: val is held out of train; all is both."""

_EVERY = 5

Item = TypeVar('Item')


def hold_out(dataset: str, items: Sequence[Item], split: str) -> list[Item]:
    """Split a sorted list: every fifth item is val, the others are train.

    Args:
        dataset: Name of the dataset, for the error.
        items: All items, sorted; pass the same list for every split.
        split: One of SPLITS.

    Raises:
        DatasetError: The split is unknown or empty.
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
