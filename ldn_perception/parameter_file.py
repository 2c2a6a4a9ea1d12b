# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameter files and NAME=VALUE of command lines, read without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ldn_perception.errors import ConfigError


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read the values of a ROS parameter file by full option name.

    Raises:
        ConfigError: The file is missing or has no ros__parameters.
    """
    if not path.is_file():
        raise ConfigError(
            'parameter file', must_be='an existing YAML file', got=str(path), do='check the path')
    try:
        tree = yaml.safe_load(path.read_text())
        parameters = next(iter(tree.values()))['ros__parameters']
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, StopIteration):
        raise ConfigError(
            f'parameter file {path}', must_be='node name: ros__parameters: values',
            got='something else', do='start from config/stereo_seg.yaml',
        ) from None
    return dict(flatten(parameters))


def flatten(tree: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield values of a nested mapping by dotted name."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield prefix + key, value


def parse_assignments(
    texts: Iterable[str], option: str = '--set', example: str = 'stereo.matcher=census',
) -> dict[str, Any]:
    """Parse NAME=VALUE into values by name.

    Args:
        texts: NAME=VALUE each, the value in YAML; an empty one is the empty string.
        option: Place of the texts on the command line, for the error.
        example: Advice of the error.

    Raises:
        ConfigError: A text is no NAME=VALUE, or its value is no YAML.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise ConfigError(
                option, must_be='NAME=VALUE', got=repr(text), do=f'write for example {example}')
        try:
            values[name] = yaml.safe_load(value) if value else ''
        except yaml.YAMLError:
            raise ConfigError(
                option, must_be='NAME=VALUE with a value in YAML', got=repr(text),
                do='put the value into quotes') from None
    return values
