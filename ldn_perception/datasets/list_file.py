# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Text files with one name a line, which say what is in a split."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import read_parsed


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
