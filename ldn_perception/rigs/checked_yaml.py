# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YAML files of which every key is known; an error says where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from ldn_perception.errors import RigError


def read_yaml(path: Path, what: str) -> object:
    """Read what a YAML file holds.

    Args:
        path: The file.
        what: What it is, for the error.

    Raises:
        RigError: The file is missing or no YAML.
    """
    if not path.is_file():
        raise RigError(what, must_be='an existing YAML file', got=str(path), do='check the path')
    return parse_yaml(path.read_text(), f'{what} {path}')


def parse_yaml(text: str, what: str) -> object:
    """Read what a YAML text holds.

    Raises:
        RigError: The text is no YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        line = f' in line {mark.line + 1}' if mark else ''
        problem = getattr(error, 'problem', None) or 'no YAML'
        raise RigError(
            what, must_be='YAML', got=f'{problem}{line}', do='correct the syntax') from None


def checked_mapping(tree: object, place: str, known: Collection[str]) -> dict[str, Any]:
    """Return a mapping with keys that are all known; nothing is an empty one.

    Args:
        tree: What the file holds there.
        place: Where that is, for the error.
        known: The keys it may have.

    Raises:
        RigError: It is no mapping, or a key is unknown.
    """
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise RigError(
            place, must_be='a mapping', got=repr(tree), do=f'give any of {", ".join(known)}')
    for key in tree:
        if key not in known:
            raise RigError(
                f'key of {place}', must_be=f'one of {", ".join(known)}', got=repr(key),
                do='correct the name')
    return dict(tree)


def checked_text(tree: Mapping[str, Any], key: str, place: str, default: str = '') -> str:
    """Return the text of a key.

    Raises:
        RigError: It is something else than text.
    """
    value = tree.get(key, default)
    if not isinstance(value, str):
        raise RigError(
            f'{key} of {place}', must_be='text', got=repr(value), do='put it into quotes')
    return value


def checked_bool(tree: Mapping[str, Any], key: str, place: str, default: bool) -> bool:
    """Return the switch of a key.

    Raises:
        RigError: It is neither true nor false.
    """
    value = tree.get(key, default)
    if not isinstance(value, bool):
        raise RigError(
            f'{key} of {place}', must_be='true or false', got=repr(value), do='choose one')
    return value
