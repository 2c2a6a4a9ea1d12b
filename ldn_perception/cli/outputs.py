# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Places that --output names, checked before any work begins."""

from __future__ import annotations

import os
from pathlib import Path

from ldn_perception.errors import OutputError


def make_output_folder(path: Path, *, may_hold_files: bool = True) -> None:
    """Make a folder for results.

    Args:
        path: The folder.
        may_hold_files: Whether it may hold files.

    Raises:
        OutputError: It is a file, cannot be made or written to, or holds files.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        holds_files = any(path.iterdir())
    except OSError as error:
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got=error.strerror,
            do='choose another --output') from error
    if not os.access(path, os.W_OK):
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got='a read-only one',
            do='choose another --output')
    if holds_files and not may_hold_files:
        raise OutputError(
            f'output {path}', must_be='a new or empty folder', got='a folder with files',
            do='choose another --output, or add --overwrite')


def check_output_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written when the work is done.

    Args:
        path: The file.
        overwrite: Whether it may exist.

    Raises:
        OutputError: It is a folder, lies in none, or exists.
    """
    if path.is_dir():
        raise OutputError(
            f'output {path}', must_be='a file', got='a folder', do='choose another --output')
    if path.exists() and not overwrite:
        raise OutputError(
            f'output {path}', must_be='a new file', got='one that exists',
            do='choose another --output, or add --overwrite')
    if not os.access(path.parent, os.W_OK) or not path.parent.is_dir():
        raise OutputError(
            f'output {path}', must_be='in a folder that can be written',
            got='a read-only one' if path.parent.is_dir() else 'no such folder',
            do='make the folder, or choose another --output')
