# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where a camera is mounted, for tf."""

from __future__ import annotations

from dataclasses import dataclass
import math

from ldn_perception.errors import RigError
from ldn_perception.rigs.checked_yaml import checked_mapping, checked_text

_NUMBERS = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
_LARGEST_ANGLE_RAD = 2 * math.pi


@dataclass(frozen=True, slots=True)
class StaticTransform:
    """Pose of a frame in another one, as tf2_ros' static_transform_publisher takes it.

    Attributes:
        parent: Frame the pose is given in.
        child: Frame whose pose it is.
        x: Forward [m] (REP 103).
        y: To the left [m].
        z: Up [m].
        roll: About the parent's x [rad]; the three turn about fixed axes, in this order.
        pitch: About the parent's y [rad].
        yaw: About the parent's z [rad].
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
        """Command line of the static_transform_publisher."""
        numbers = [
            word for name in _NUMBERS for word in (f'--{name}', repr(getattr(self, name)))]
        return [*numbers, '--frame-id', self.parent, '--child-frame-id', self.child]


def read_transforms(tree: object, place: str) -> tuple[StaticTransform, ...]:
    """Read the extrinsics of a camera from a YAML mapping; nothing is no transform.

    Args:
        tree: parent, child, x y z [m], roll pitch yaw [rad], and optical_frame, a frame in the
            place of the child that looks as an optical one (REP 103: z forward, x right, y down).
        place: Where it stands, for the error.

    Raises:
        RigError: A frame is missing, a number is none, or angles are in degrees.
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
