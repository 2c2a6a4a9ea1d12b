# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Presets: topics and parameters for a kind of camera."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
import re
from typing import Any

import yaml

from ldn_perception.config import PerceptionConfig, Value, flatten, options, read_parameter_file
from ldn_perception.errors import ConfigError, RigError

_TOPIC = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True, slots=True)
class StereoTopics:
    """Topics of a stereo camera in the layout of image_transport: camera_info beside the image.

    Attributes:
        left: Namespace of the left camera: <left>/<image> and <left>/camera_info.
        right: Namespace of the right camera.
        image: Name of the images in both; empty means image_rect, or image_raw if the node
            rectifies.
        external_disparity: Topic of the DisparityImages if the matcher is external.
    """

    left: str = 'left'
    right: str = 'right'
    image: str = ''
    external_disparity: str = 'external_disparity'

    @classmethod
    def from_tree(cls, tree: object, place: str) -> StereoTopics:
        """Read the topics from a YAML mapping; missing keys get their defaults.

        Raises:
            RigError: A key is unknown, or a value is not a valid topic name.
        """
        known = [entry.name for entry in fields(cls)]
        given = checked_mapping(tree, place, known)
        topics = cls().replaced({key: checked_text(given, key, place) for key in given})
        for name in known:
            text = getattr(topics, name)
            if text and not _TOPIC.fullmatch(text):
                raise RigError(
                    f'{name} of {place}', must_be='the name of a topic', got=repr(text),
                    do='use letters, digits, underscores and slashes')
        return topics

    def replaced(self, given: Mapping[str, str]) -> StereoTopics:
        """Copy with the given, non-empty texts replaced.

        Args:
            given: Text by attribute name; other names are ignored.
        """
        names = [entry.name for entry in fields(self)]
        return replace(self, **{name: given[name] for name in names if given.get(name)})

    def left_image(self, rectify: bool) -> str:
        """Topic of the left images.

        Args:
            rectify: True if the node takes raw images and rectifies them.
        """
        return f'{self.left}/{self.image or ("image_raw" if rectify else "image_rect")}'

    def remappings(self) -> list[tuple[str, str]]:
        """Remappings of all inputs of the node: (name in the node, topic)."""
        return [
            *_camera_remappings('left', self.left, self.image),
            *_camera_remappings('right', self.right, self.image),
            ('external_disparity', self.external_disparity),
        ]


def _camera_remappings(side: str, camera: str, image: str) -> list[tuple[str, str]]:
    return [
        *(
            (f'{side}/{name}{transport}', f'{camera}/{image or name}{transport}')
            for name in ('image_rect', 'image_raw') for transport in ('', '/compressed')),
        (f'{side}/camera_info', f'{camera}/camera_info'),
    ]


WEIGHTS = ('model.weights', 'stereo.weights')
"""Options whose value is the path of a file."""


def check_parameters(tree: object, place: str, folder: Path) -> dict[str, Value]:
    """Check a mapping of parameters and return the values by full option name.

    Args:
        tree: Mapping of options to values, nested by section or with full names; None is empty.
        place: Location of the mapping, for error messages.
        folder: Base folder of relative paths of weights.

    Raises:
        RigError: It is not a mapping, an option is unknown, or a weights file is missing.
        ConfigError: A value is invalid for its option.
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
    """Return the path of a weights file; '' and 'shipped' are returned unchanged.

    Raises:
        RigError: The file does not exist.
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
        params_file: ROS parameter file that the values override; None if there is none. Entries
            that are not options are ignored.
        values: Values by full option name; they override those of the file.
        place: Owner of the parameters, for error messages.

    Raises:
        RigError: The values contradict each other, or the file is invalid.
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


def read_yaml(path: Path, what: str) -> object:
    """Read a YAML file.

    Args:
        path: The file.
        what: Kind of the file, for error messages.

    Raises:
        RigError: The file is missing or not YAML.
    """
    if not path.is_file():
        raise RigError(what, must_be='an existing YAML file', got=str(path), do='check the path')
    return parse_yaml(path.read_text(), f'{what} {path}')


def parse_yaml(text: str, what: str) -> object:
    """Parse a YAML text.

    Raises:
        RigError: The text is not YAML.
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
    """Check that a mapping has only known keys and return it; None becomes an empty mapping.

    Args:
        tree: Parsed YAML value.
        place: Location of the value, for error messages.
        known: Allowed keys.

    Raises:
        RigError: It is not a mapping, or a key is unknown.
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
        RigError: The value is not text.
    """
    value = tree.get(key, default)
    if not isinstance(value, str):
        raise RigError(
            f'{key} of {place}', must_be='text', got=repr(value), do='put it into quotes')
    return value


def checked_bool(tree: Mapping[str, Any], key: str, place: str, default: bool) -> bool:
    """Return the boolean of a key.

    Raises:
        RigError: The value is neither true nor false.
    """
    value = tree.get(key, default)
    if not isinstance(value, bool):
        raise RigError(
            f'{key} of {place}', must_be='true or false', got=repr(value), do='choose one')
    return value


_KEYS = ('camera', 'topics', 'parameters')
_CAMERA = '{camera}'


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings for a kind of camera.

    Attributes:
        topics: Topics of the camera.
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
        name: Name in the folder of presets, or path of a YAML file; empty is the default preset,
            for a camera that publishes on the topics of the node.
        camera: Name of the camera driver; empty is the driver's default.
        presets: Folder of the presets shipped with the package.
        folder: Base folder of a relative path.

    Raises:
        RigError: The preset does not exist or is invalid.
        ConfigError: A value is invalid for its option.
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
