# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node from YAML, checked before a process starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ldn_perception.config import PerceptionConfig, options
from ldn_perception.errors import ConfigError, RigError
from ldn_perception.option import Value
from ldn_perception.parameter_file import flatten, read_parameter_file

WEIGHTS = ('model.weights', 'stereo.weights')
"""Options that name a file."""


def check_parameters(tree: object, place: str, folder: Path) -> dict[str, Value]:
    """Return values by full option name; nothing is none of them.

    Args:
        tree: Mapping of options to values, nested by section or by full names.
        place: Where it stands, for the error.
        folder: What relative paths of weights are relative to.

    Raises:
        RigError: It is no mapping, an option is unknown, or a file of weights is missing.
        ConfigError: A value that its option cannot have.
    """
    if tree is not None and not isinstance(tree, Mapping):
        raise RigError(
            f'parameters of {place}', must_be='a mapping', got=repr(tree),
            do='write name: value, with the names of ldn parameters')
    known = {option.name: option for option in options()}
    values: dict[str, Value] = {}
    for name, value in flatten(tree or {}):
        if name.startswith('qos_overrides.'):
            values[name] = value
            continue
        if name not in known:
            raise RigError(
                f'parameter of {place}', must_be='an option of the node', got=repr(name),
                do='choose one that ldn parameters lists')
        values[name] = replace(known[name], name=f'{name} of {place}').check(value)
    for name in WEIGHTS:
        if name in values:
            values[name] = check_weights(str(values[name]), f'{name} of {place}', folder)
    return values


def check_weights(text: str, what: str, folder: Path) -> str:
    """Return the path of a weights file; the words that are none stay as they are.

    Raises:
        RigError: There is no such file.
    """
    if text in ('', 'shipped'):
        return text
    path = folder / text
    if not path.is_file():
        raise RigError(what, must_be='an existing file', got=str(path), do='check the path')
    return str(path)


def check_agreement(params_file: Path | None, values: Mapping[str, Value], place: str) -> None:
    """Check that all parameters of a node fit together.

    Args:
        params_file: ROS parameter file below the values; None where there is none. What it says
            of other things than options is left alone.
        values: Values by full option name, which win over the file's.
        place: What they are the parameters of, for the error.

    Raises:
        RigError: They contradict each other, or the file is wrong.
    """
    names = {option.name for option in options()}
    try:
        read = read_parameter_file(params_file) if params_file else {}
        PerceptionConfig.from_values({
            name: value for name, value in {**read, **values}.items() if name in names})
    except ConfigError as error:
        raise RigError(
            f'parameters of {place}', must_be='ones the node takes', got=f'"{error}"',
            do='correct them') from None
