# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Free road of a result, as the options of the node want it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from ldn_perception.build import build_free_road_rule, build_grid_rule
from ldn_perception.config import FreeRoadConfig
from ldn_perception.frames import GroundGrid, PerceptionResult
from ldn_perception.free_space.free_road import find_free_road
from ldn_perception.free_space.level_camera import LevelCamera
from ldn_perception.free_space.road_grid import RoadGridBuilder
from ldn_perception.nodes.level_frame import LevelFrame
from ldn_perception.taxonomy import Taxonomy


class FreeRoadView:
    """Finds free road in results.

    Args:
        node: Listens to TF.
        config: Limits, and how the camera stands.
        taxonomy: Classes of the labels.

    Attributes:
        has_grid: Whether there can be a grid: the options tell how the camera stands.

    Raises:
        TaxonomyError: No class of the taxonomy is the road.
        ConfigError: TF is asked for and not installed.
    """

    def __init__(self, node: Node, config: FreeRoadConfig, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._rule = build_free_road_rule(config, taxonomy)
        self._level = LevelFrame(node, config)
        self.has_grid = self._level.is_named
        if self.has_grid:
            self._builder = RoadGridBuilder()

    def change(self, config: FreeRoadConfig) -> None:
        """Follow other options from the next result on."""
        self._level.config = config
        self._rule = build_free_road_rule(config, self._taxonomy)

    def close(self) -> None:
        """Stop listening to TF."""
        self._level.close()

    def mask(self, result: PerceptionResult) -> NDArray[np.bool_] | None:
        """Free pixels, (H, W) bool; None while TF cannot tell how the camera stands."""
        camera = self._camera(result)
        if camera is None and self.has_grid:
            return None
        return self._find(result, _depth(result), camera)

    def grid(self, result: PerceptionResult) -> GroundGrid | None:
        """Grid on the ground; None while TF cannot tell how the camera stands."""
        camera = self._camera(result)
        if camera is None:
            return None
        depth = _depth(result)
        return self._builder.build(
            self._find(result, depth, camera), result.segmentation, depth, result.frame.geometry,
            camera, self._rule, build_grid_rule(self._level.config))

    def grid_frame(self, result: PerceptionResult) -> str:
        """Name of the frame the grid lies in."""
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
