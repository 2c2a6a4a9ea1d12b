# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Free road of a result, and the pose of the camera."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TransformStamped
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from ldn_perception.build import build_free_road_rule, build_grid_rule, build_level_camera
from ldn_perception.config import FreeRoadConfig
from ldn_perception.errors import ConfigError, FrameError
from ldn_perception.free_road import LevelCamera, RoadGridBuilder, find_free_road
from ldn_perception.taxonomy import Taxonomy
from ldn_perception.types import GroundGrid, PerceptionResult

try:
    import tf2_ros
except ImportError:
    tf2_ros = None

class FreeRoadView:
    """Free-road mask and ground grid of results.

    Args:
        node: Node for TF subscriptions and logging.
        config: Limits and camera pose.
        taxonomy: Class list of the labels.

    Attributes:
        has_grid: True if the options give the camera pose, which a grid requires.

    Raises:
        TaxonomyError: The taxonomy has no class for the road.
        ConfigError: A TF frame is configured and tf2_ros is not installed.
    """

    def __init__(self, node: Node, config: FreeRoadConfig, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._rule = build_free_road_rule(config, taxonomy)
        self._level = LevelFrame(node, config)
        self.has_grid = self._level.is_named
        if self.has_grid:
            self._builder = RoadGridBuilder()

    def change(self, config: FreeRoadConfig) -> None:
        """Apply new options from the next result on."""
        self._level.config = config
        self._rule = build_free_road_rule(config, self._taxonomy)

    def close(self) -> None:
        """Stop listening to TF."""
        self._level.close()

    def mask(self, result: PerceptionResult) -> NDArray[np.bool_] | None:
        """Mask of free pixels, (H, W) bool; None while TF does not provide the camera pose."""
        camera = self._camera(result)
        if camera is None and self.has_grid:
            return None
        return self._find(result, _depth(result), camera)

    def grid(self, result: PerceptionResult) -> GroundGrid | None:
        """Ground grid; None while TF does not provide the camera pose."""
        camera = self._camera(result)
        if camera is None:
            return None
        depth = _depth(result)
        return self._builder.build(
            self._find(result, depth, camera), result.segmentation, depth, result.frame.geometry,
            camera, self._rule, build_grid_rule(self._level.config))

    def grid_frame(self, result: PerceptionResult) -> str:
        """Name of the frame of the grid."""
        return self._level.name(result.frame.frame_id)

    def _camera(self, result: PerceptionResult) -> LevelCamera | None:
        return self._level.camera(result.frame.frame_id)

    def _find(
        self, result: PerceptionResult, depth: NDArray[np.float32], camera: LevelCamera | None,
    ) -> NDArray[np.bool_]:
        return find_free_road(
            result.segmentation, depth, result.frame.geometry, self._rule, camera)


def _depth(result: PerceptionResult) -> NDArray[np.float32]:
    assert result.disparity is not None
    return result.frame.geometry.depth(result.disparity.to_host())


_THROTTLE_S = 5.0


class LevelFrame:
    """Level frame of the ground grids.

    If the options name no frame, it is the heading frame of the camera, named like the camera
    frame with the suffix `_level`. It is broadcast if tf2_ros is installed.

    Args:
        node: Node for TF subscriptions and logging.
        config: Options; replace the attribute to change height, pitch and roll of a running node.

    Raises:
        ConfigError: The options name a frame, and tf2_ros is not installed.
    """

    def __init__(self, node: Node, config: FreeRoadConfig) -> None:
        self._node = node
        self._listener: Any = None
        self._broadcaster: Any = None
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
        """True if the options give the camera pose or the frame to look it up in TF."""
        return bool(self.config.level_frame or self.config.camera_height_m)

    def name(self, camera_frame: str) -> str:
        """Name of the level frame of a camera."""
        return self.config.level_frame or f'{camera_frame}_level'

    def camera(self, camera_frame: str) -> LevelCamera | None:
        """Look up the pose of a camera; None, with a warning, while TF does not provide it.

        Args:
            camera_frame: Optical frame of the camera.
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
