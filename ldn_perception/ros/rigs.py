# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicle rigs: several stereo cameras with one perception node each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
import math
from pathlib import Path
import re
from typing import Any

import yaml

from ldn_perception.config import Value
from ldn_perception.errors import RigError
from ldn_perception.ros.presets import (
    StereoTopics,
    check_agreement,
    check_parameters,
    checked_bool,
    checked_mapping,
    checked_text,
    read_preset,
    read_yaml,
)

_TOPIC_KEYS = tuple(entry.name for entry in fields(StereoTopics))
_OPTION_OF_KEY = {
    'model': 'model.name', 'weights': 'model.weights', 'device': 'inference.device'}
_HEAD_KEYS = (
    'name', 'preset', 'camera', *_TOPIC_KEYS, *_OPTION_OF_KEY, 'params_file', 'parameters',
    'extrinsics', 'respawn',
)
_NAME = re.compile(r'[A-Za-z]\w*', re.ASCII)


@dataclass(frozen=True, slots=True)
class StereoHead:
    """One stereo camera of a rig and the settings of its node.

    Attributes:
        name: Namespace of the node and of relative topics.
        topics: Topics of the camera.
        parameters: Values by full option name; they override those of params_file.
        params_file: ROS parameter file; None for that of the package.
        transforms: Poses of the camera to publish; empty if another node publishes them.
        respawn: True if the node is restarted after it has died.
    """

    name: str
    topics: StereoTopics
    parameters: Mapping[str, Value]
    params_file: Path | None = None
    transforms: tuple[StaticTransform, ...] = ()
    respawn: bool = True

    def launch_arguments(self) -> dict[str, str]:
        """Arguments of stereo_seg.launch.py that start the node of this camera."""
        parameters = yaml.safe_dump(
            dict(self.parameters), default_flow_style=True, width=2**31).strip()
        return {
            'namespace': self.name,
            **{key: getattr(self.topics, key) for key in _TOPIC_KEYS},
            'parameters': parameters,
            'respawn': str(self.respawn).lower(),
            **({'params_file': str(self.params_file)} if self.params_file else {}),
        }


def read_rig(path: Path, presets: Path) -> tuple[StereoHead, ...]:
    """Read the heads of a rig file and check everything that can be checked before the start.

    Args:
        path: The rig file; relative paths in it are relative to its folder.
        presets: Folder of the presets shipped with the package.

    Raises:
        RigError: The file is missing or contradicts itself, or a file it names is missing.
        ConfigError: A value is invalid for its option.
    """
    rig = checked_mapping(read_yaml(path, 'rig'), f'rig {path.name}', ('heads',))
    trees = rig.get('heads')
    if not isinstance(trees, list) or not trees:
        raise RigError(
            f'heads of rig {path.name}', must_be='a list of at least one head', got=repr(trees),
            do='start from config/rigs/front_rear.yaml')
    heads = tuple(
        _read_head(tree, number, path.parent, presets) for number, tree in enumerate(trees, 1))
    _check_unique('name of a head', (head.name for head in heads))
    _check_unique(
        'child or optical_frame of a head',
        (transform.child for head in heads for transform in head.transforms))
    return heads


def _read_head(tree: object, number: int, folder: Path, presets: Path) -> StereoHead:
    given = checked_mapping(tree, f'head {number}', _HEAD_KEYS)
    name = checked_text(given, 'name', f'head {number}')
    if not _NAME.fullmatch(name):
        raise RigError(
            f'name of head {number}', must_be='a word of letters, digits and underscores',
            got=repr(name), do='name it after where it looks, as front')
    place = f'head {name}'
    preset = read_preset(
        checked_text(given, 'preset', place), checked_text(given, 'camera', place), presets,
        folder)
    own_topics = {key: given[key] for key in _TOPIC_KEYS if key in given}
    StereoTopics.from_tree(own_topics, place)
    parameters = {**preset.parameters, **_own_parameters(given, place, folder)}
    params_file = _params_file(checked_text(given, 'params_file', place), place, folder)
    check_agreement(params_file, parameters, place)
    return StereoHead(
        name, preset.topics.replaced(own_topics), parameters, params_file,
        read_transforms(given.get('extrinsics'), place),
        checked_bool(given, 'respawn', place, default=True))


def _own_parameters(given: Mapping[str, Any], place: str, folder: Path) -> dict[str, Value]:
    short = {option: given[key] for key, option in _OPTION_OF_KEY.items() if key in given}
    return {
        **check_parameters(given.get('parameters'), place, folder),
        **check_parameters(short, place, folder),
    }


def _params_file(text: str, place: str, folder: Path) -> Path | None:
    if not text:
        return None
    path = folder / text
    if not path.is_file():
        raise RigError(
            f'params_file of {place}', must_be='an existing file', got=str(path),
            do='check the path')
    return path


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RigError(
                what, must_be='there once', got=f'{name} twice', do='rename one of them')
        seen.add(name)


_NUMBERS = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
_LARGEST_ANGLE_RAD = 2 * math.pi


@dataclass(frozen=True, slots=True)
class StaticTransform:
    """Pose of a frame in its parent, in the form of tf2_ros' static_transform_publisher.

    Attributes:
        parent: Frame in which the pose is given.
        child: Frame whose pose it is.
        x: Forward [m] (REP 103).
        y: To the left [m].
        z: Up [m].
        roll: Rotation about the parent's x [rad]; the three are applied about fixed axes, in
            this order.
        pitch: Rotation about the parent's y [rad].
        yaw: Rotation about the parent's z [rad].
    """

    parent: str
    child: str
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def arguments(self) -> list[str]:
        """Command-line arguments of the static_transform_publisher."""
        numbers = [
            word for name in _NUMBERS for word in (f'--{name}', repr(getattr(self, name)))]
        return [*numbers, '--frame-id', self.parent, '--child-frame-id', self.child]


def read_transforms(tree: object, place: str) -> tuple[StaticTransform, ...]:
    """Read the extrinsics of a camera from a YAML mapping; None gives no transforms.

    Args:
        tree: parent, child, x y z [m], roll pitch yaw [rad], and optionally optical_frame, an
            optical frame at the pose of the child (REP 103: z forward, x right, y down).
        place: Location of the mapping, for error messages.

    Raises:
        RigError: A frame is missing, a value is not a finite number, or angles are in degrees.
    """
    if tree is None:
        return ()
    place = f'extrinsics of {place}'
    given = checked_mapping(tree, place, ('parent', 'child', *_NUMBERS, 'optical_frame'))
    parent, child = (_frame(checked_text(given, key, place), key, place)
                     for key in ('parent', 'child'))
    numbers = {name: _number(given.get(name, 0.0), name, place) for name in _NUMBERS}
    transforms = (StaticTransform(parent, child, **numbers),)
    if 'optical_frame' not in given:
        return transforms
    optical = _frame(checked_text(given, 'optical_frame', place), 'optical_frame', place)
    return (
        *transforms, StaticTransform(child, optical, roll=-math.pi / 2, yaw=-math.pi / 2))


def _frame(text: str, key: str, place: str) -> str:
    if not text or text.startswith('/') or ' ' in text:
        raise RigError(
            f'{key} of {place}', must_be='the name of a frame', got=repr(text),
            do='name it as frame_id does, without a leading slash')
    return text


def _number(value: object, name: str, place: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type]
        raise RigError(
            f'{name} of {place}', must_be='a finite number', got=repr(value),
            do='measure it again')
    number = float(value)  # type: ignore[arg-type]
    if name in _NUMBERS[3:] and abs(number) > _LARGEST_ANGLE_RAD:
        raise RigError(
            f'{name} of {place}', must_be='an angle in radians, within one turn', got=number,
            do='divide degrees by 57.3')
    return number
