# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Hooks of the site: pages and modules that another branch adds do not stop the build."""

from pathlib import Path

from mkdocs.structure.files import File, Files

AWAITED_PAGES = ('python_api.md',)
PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, *, config) -> Files:
    """Add an empty page for each awaited one that is missing."""
    for name in AWAITED_PAGES:
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, content='# Python API\n'))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Remove references to modules that do not exist."""
    return '\n'.join(line for line in markdown.splitlines() if not _is_missing(line))


def _is_missing(line: str) -> bool:
    if not line.startswith('::: '):
        return False
    path = PACKAGE_ROOT.joinpath(*line[4:].strip().split('.'))
    return not path.with_suffix('.py').is_file() and not path.is_dir()
