# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the camera stands above the ground: from parameters or from TF, where tf2_ros is there."""

from __future__ import annotations

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time

from ldn_perception.build import build_level_camera
from ldn_perception.config import FreeRoadConfig
from ldn_perception.errors import ConfigError, FrameError
from ldn_perception.free_space.level_camera import LevelCamera

try:
    import tf2_ros
except ImportError:
    tf2_ros = None

_THROTTLE_S = 5.0


class LevelFrame:
    """The level frame that grids lie in.

    Without a frame name among the options it is the heading frame of the camera, called after the
    camera's with `_level` behind it; where tf2_ros is there, it is broadcast.

    Args:
        node: Listens to TF and logs.
        config: Replace the attribute to change height, pitch and roll of a running node.

    Raises:
        ConfigError: The options name a frame, and tf2_ros is not installed.
    """

    def __init__(self, node: Node, config: FreeRoadConfig) -> None:
        self._node = node
        self._listener = self._broadcaster = None
        self._told: tuple[str, LevelCamera] | None = None
        self.config = config
        if config.level_frame:
            if tf2_ros is None:
                raise ConfigError(
                    'free_road.level_frame', must_be='empty where tf2_ros is not installed',
                    got=repr(config.level_frame),
                    do='install tf2_ros, or give free_road.camera_height_m instead')
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)
        elif config.camera_height_m and tf2_ros is not None:
            self._broadcaster = tf2_ros.StaticTransformBroadcaster(node)

    @property
    def is_named(self) -> bool:
        """Whether the options tell how the camera stands, or who knows."""
        return bool(self.config.level_frame or self.config.camera_height_m)

    def name(self, camera_frame: str) -> str:
        """Name of the level frame of a camera."""
        return self.config.level_frame or f'{camera_frame}_level'

    def camera(self, camera_frame: str) -> LevelCamera | None:
        """Find out how a camera stands; None, with a warning, while TF cannot tell.

        Args:
            camera_frame: Its optical frame.
        """
        if self.config.level_frame:
            return self._look_up(camera_frame)
        camera = build_level_camera(self.config)
        if self._broadcaster is not None and camera is not None:
            self._broadcast(camera_frame, camera)
        return camera

    def close(self) -> None:
        """Stop listening to TF."""
        if self._listener is not None:
            self._listener.unregister()

    def _look_up(self, camera_frame: str) -> LevelCamera | None:
        try:
            transform = self._buffer.lookup_transform(
                self.config.level_frame, camera_frame, Time()).transform
            shift, turn = transform.translation, transform.rotation
            return LevelCamera.from_transform(
                (shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))
        except (tf2_ros.TransformException, FrameError) as error:
            self._node.get_logger().warning(
                f'no free road: free_road.level_frame {self.config.level_frame}: {error}',
                throttle_duration_sec=_THROTTLE_S)
            return None

    def _broadcast(self, camera_frame: str, camera: LevelCamera) -> None:
        if self._told == (camera_frame, camera):
            return
        self._told = camera_frame, camera
        message = TransformStamped(child_frame_id=self.name(camera_frame))
        message.header.frame_id = camera_frame
        message.header.stamp = self._node.get_clock().now().to_msg()
        translation, rotation = camera.transform
        to, turn = message.transform.translation, message.transform.rotation
        to.x, to.y, to.z = translation
        turn.x, turn.y, turn.z, turn.w = rotation
        self._broadcaster.sendTransform(message)
