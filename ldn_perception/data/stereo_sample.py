# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded stereo pairs with ground truth, also from a separate folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.data.images import (
    list_images,
    read_disparity,
    read_foreign,
    read_label_ids,
    read_labels,
)
from ldn_perception.errors import BagError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.types import StereoFrame

@dataclass(frozen=True, slots=True)
class StereoSample:
    """Stereo pair of a drive with its available ground truth.

    Attributes:
        frame: Stereo pair.
        labels: (H, W) uint8 class ids, 255 = ignored.
        foreign: (H, W) bool, True on objects outside the classes.
        disparity: (H, W) float32 disparity of the left image [px], NaN where unknown.

    Raises:
        BagError: Ground truth differs from the image in size, or has another type.
    """

    frame: StereoFrame
    labels: NDArray[np.uint8] | None = None
    foreign: NDArray[np.bool_] | None = None
    disparity: NDArray[np.float32] | None = None

    def truth(self) -> dict[str, NDArray[Any]]:
        """Available ground truth by name: labels, foreign, disparity."""
        known = {'labels': self.labels, 'foreign': self.foreign, 'disparity': self.disparity}
        return {name: values for name, values in known.items() if values is not None}

    def __post_init__(self) -> None:
        shape = self.frame.geometry.shape
        for name, dtype in (
            ('labels', np.uint8), ('foreign', np.bool_), ('disparity', np.float32),
        ):
            values = getattr(self, name)
            if values is not None and (values.shape != shape or values.dtype != dtype):
                raise BagError(
                    f'ground truth {name}', must_be=f'{shape} {np.dtype(dtype)}',
                    got=f'{values.shape} {values.dtype}',
                    do='give ground truth at the size of the left image',
                )


_Read = Callable[[Path], Any]

# (Sample field, folder, reader); with two folders for a field, the first with a file is used.
_FOLDERS: tuple[tuple[str, str, _Read], ...] = (
    ('labels', 'labels', read_labels),
    ('labels', 'labelIds', read_label_ids),
    ('labels', 'semantic', read_label_ids),
    ('foreign', 'foreign', read_foreign),
    ('disparity', 'disparity', read_disparity),
    ('disparity', 'disp_occ_0', read_disparity),
)
_ACCEPTED = ', '.join(f'{name}/' for _, name, _ in _FOLDERS)


class TruthFolder:
    """Ground truth of the pairs of one bag, from a folder.

    Subfolders, all optional and possibly incomplete: `labels/` (class ids), `labelIds/` or KITTI's
    `semantic/` (Cityscapes ids), `foreign/` (0 or 255), `disparity/` or KITTI's `disp_occ_0/`
    (uint16, 256 steps per pixel, 0 = unknown).

    The number at the start of a file name identifies the pair. It is a stamp in nanoseconds if any
    file of the subfolder matches a stamp of a pair, else the index of the pair in the bag, from 0
    (`000007.png`, `000007_10.png`). Files with other stamps belong to images without a partner and
    are ignored.

    Args:
        path: Folder with the subfolders.
        stamps_ns: Stamps of the pairs of the bag [ns].

    Raises:
        BagError: All subfolders are missing, a name matches no pair, or two files match the same
            pair.
    """

    def __init__(self, path: str | Path, stamps_ns: Sequence[int]) -> None:
        self.path = Path(path)
        self._files: dict[int, dict[str, tuple[_Read, Path]]] = {}
        listed = [(field, read, list_images(self.path / name)) for field, name, read in _FOLDERS]
        if not any(files for _, _, files in listed):
            entries = self.path.iterdir() if self.path.is_dir() else ()
            held = ', '.join(sorted(entry.name for entry in entries)[:12])
            raise BagError(
                f'ground truth folder {self.path}', must_be=f'with images in one of {_ACCEPTED}',
                got=held or 'nothing there', do='check --ground-truth')
        number_of = {stamp: number for number, stamp in enumerate(stamps_ns)}
        for field, read, files in listed:
            for number, file in _by_pair(files, number_of).items():
                self._files.setdefault(number, {}).setdefault(field, (read, file))

    def __len__(self) -> int:
        """Number of pairs with ground truth."""
        return len(self._files)

    def add_to(self, sample: StereoSample, number: int) -> StereoSample:
        """Add ground truth to a sample; files replace ground truth from the bag.

        Args:
            sample: Stereo pair.
            number: Index of the pair in the bag.

        Raises:
            BagError: A file has the wrong format, or differs in size from the pair.
        """
        found: dict[str, Any] = {}
        for field, (read, file) in self._files.get(number, {}).items():
            found[field] = read(file)
            if found[field].shape != sample.frame.geometry.shape:
                raise BagError(
                    f'size of {file}', must_be=f'{sample.frame.geometry.shape} as the left image',
                    got=found[field].shape, do='give ground truth at the size of the bag')
        return replace(sample, **found)


def _by_pair(files: list[Path], number_of: dict[int, int]) -> dict[int, Path]:
    """Files by index of their pair."""
    leading = {file: _leading_number(file) for file in files}
    by_stamp = any(number in number_of for number in leading.values() if number is not None)
    found: dict[int, Path] = {}
    for file, name in leading.items():
        if by_stamp and name is not None and name not in number_of:
            continue
        number = number_of[name] if by_stamp and name is not None else name
        if number is None or number >= len(number_of):
            raise BagError(
                f'name of ground truth {file}',
                must_be=f'begun with the number of a pair, 0 to {len(number_of) - 1}, or its'
                ' stamp [ns]', got=file.name, do='rename it, or take it away')
        if number in found:
            raise BagError(
                f'ground truth {file}', must_be='the only one of its pair',
                got=f'{found[number].name} too', do='keep one of them')
        found[number] = file
    return found


def _leading_number(file: Path) -> int | None:
    digits = re.match(r'\d+', file.stem)
    return None if digits is None else int(digits[0])
