# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameter files, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
