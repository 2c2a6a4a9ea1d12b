# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Presets: topics and parameters that fit a kind of camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldn_perception.errors import RigError
from ldn_perception.option import Value
from ldn_perception.rigs.checked_yaml import checked_mapping, checked_text, read_yaml
from ldn_perception.rigs.parameters import check_parameters
from ldn_perception.rigs.stereo_topics import StereoTopics

_KEYS = ('camera', 'topics', 'parameters')
_CAMERA = '{camera}'


@dataclass(frozen=True, slots=True)
class Preset:
    """What a kind of camera needs.

    Attributes:
        topics: Where it publishes.
        parameters: Values by full option name.
    """

    topics: StereoTopics = field(default_factory=StereoTopics)
    parameters: Mapping[str, Value] = field(default_factory=dict)


def preset_names(folder: Path) -> list[str]:
    """Names of the presets in a folder."""
    return sorted(path.stem for path in folder.glob('*.yaml'))


def read_preset(name: str, camera: str, presets: Path, folder: Path) -> Preset:
    """Read a preset.

    Args:
        name: Name of one in the folder of presets, or path of a YAML file; empty is the preset
            of a camera that publishes where the node listens.
        camera: Name under which the driver runs; empty is the driver's default.
        presets: Folder of the presets that come with the package.
        folder: What a relative path is relative to.

    Raises:
        RigError: There is no such preset, or something in it is wrong.
        ConfigError: A value that its option cannot have.
    """
    if not name:
        _check_camera(camera, {}, 'no preset')
        return Preset()
    path = _preset_path(name, presets, folder)
    place = f'preset {path.stem}'
    tree = checked_mapping(read_yaml(path, 'preset'), place, _KEYS)
    texts = checked_mapping(
        tree.get('topics'), f'topics of {place}', StereoTopics.__dataclass_fields__)
    _check_camera(camera, texts, place)
    camera = camera or checked_text(tree, 'camera', place)
    topics = StereoTopics.from_tree(
        {key: _filled(text, camera) for key, text in texts.items()}, f'topics of {place}')
    return Preset(topics, check_parameters(tree.get('parameters'), place, path.parent))


def _preset_path(name: str, presets: Path, folder: Path) -> Path:
    if '/' in name or name.endswith(('.yaml', '.yml')):
        return folder / name
    names = preset_names(presets)
    if name not in names:
        raise RigError(
            'preset', must_be=f'one of {", ".join(names)}, or the path of a YAML file',
            got=repr(name), do='choose one of them')
    return presets / f'{name}.yaml'


def _filled(text: Any, camera: str) -> Any:
    return text.replace(_CAMERA, camera) if isinstance(text, str) else text


def _check_camera(camera: str, texts: Mapping[str, Any], place: str) -> None:
    if camera and not any(_CAMERA in str(text) for text in texts.values()):
        raise RigError(
            'camera', must_be=f'left out, as {place} has no topics with the name of a camera',
            got=repr(camera), do='give left and right instead')
