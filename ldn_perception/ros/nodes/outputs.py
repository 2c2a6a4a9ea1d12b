# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Result topics; outputs without subscribers are not computed."""

from __future__ import annotations

import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from nav_msgs.msg import OccupancyGrid
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header
from stereo_msgs.msg import DisparityImage

from ldn_perception.build import Perception
from ldn_perception.config import OutputConfig
from ldn_perception.data.message_fields import (
    Fields,
    disparity_fields,
    image_fields,
    occupancy_grid_fields,
    point_cloud_fields,
)
from ldn_perception.pictures import color_labels, color_switches, overlay
from ldn_perception.ros.nodes.free_road_view import FreeRoadView
from ldn_perception.taxonomy import Taxonomy
from ldn_perception.types import DisparityMap, PerceptionResult, Quantity

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:
    LabelInfo = None

@dataclass(frozen=True, slots=True)
class _Style:
    """Settings that the appearance of an output depends on besides the result."""

    perception: Perception
    config: OutputConfig
    free_road: FreeRoadView | None


def _left_frame(result: PerceptionResult, style: _Style) -> str:
    return result.frame.frame_id


@dataclass(frozen=True, slots=True)
class _Output:
    """Topic and conversion of a result to its message; None if the result has no such output."""

    topic: str
    message_type: type
    needs: Quantity
    fields: Callable[[PerceptionResult, _Style], Fields | None]
    frame_id: Callable[[PerceptionResult, _Style], str] = _left_frame


def _labels(result: PerceptionResult, style: _Style) -> Fields:
    return image_fields(result.segmentation.labels, 'mono8')


def _ood_mask(result: PerceptionResult, style: _Style) -> Fields:
    mask = result.segmentation.ood_mask
    assert mask is not None
    return _mask_fields(mask)


def _mask_fields(mask: NDArray[np.bool_]) -> Fields:
    return image_fields(mask.view(np.uint8) * np.uint8(255), 'mono8')


def _foreign_probability(result: PerceptionResult, style: _Style) -> Fields:
    assert result.segmentation.foreign_probability is not None
    return image_fields(result.segmentation.foreign_probability, '32FC1')


def _confidence(result: PerceptionResult, style: _Style) -> Fields:
    assert result.segmentation.confidence is not None
    return image_fields(result.segmentation.confidence, '32FC1')


def _labels_color(result: PerceptionResult, style: _Style) -> Fields:
    taxonomy = style.perception.taxonomy
    return image_fields(color_labels(result.segmentation.labels, taxonomy), 'rgb8')


def _overlay(result: PerceptionResult, style: _Style) -> Fields:
    return image_fields(overlay(
        result.frame.left, result.segmentation, style.perception.taxonomy,
        style.config.overlay_opacity,
    ), 'rgb8')


def _disparity(result: PerceptionResult, style: _Style) -> Fields:
    return disparity_fields(_disparity_of(result), result.frame.geometry)


def _depth(result: PerceptionResult, style: _Style) -> Fields:
    return image_fields(
        result.frame.geometry.depth(_disparity_of(result).to_host()), '32FC1')


def _points(result: PerceptionResult, style: _Style) -> Fields:
    return point_cloud_fields(
        result.frame, result.frame.geometry.depth(_disparity_of(result).to_host()),
        result.segmentation, style.config.points_stride, style.config.points_max_range_m)


def _disparity_confidence(result: PerceptionResult, style: _Style) -> Fields:
    confidence = _disparity_of(result).confidence
    assert confidence is not None
    return image_fields(confidence.cpu().numpy(), '32FC1')


def _scale_switches(result: PerceptionResult, style: _Style) -> Fields:
    assert style.perception.switch_levels is not None
    assert result.pixels_per_metre is not None
    levels = style.perception.switch_levels(result.pixels_per_metre)
    return image_fields(color_switches(levels.cpu().numpy()), 'rgb8')


def _free_road(result: PerceptionResult, style: _Style) -> Fields | None:
    assert style.free_road is not None
    mask = style.free_road.mask(result)
    return None if mask is None else _mask_fields(mask)


def _free_road_grid(result: PerceptionResult, style: _Style) -> Fields | None:
    assert style.free_road is not None
    grid = style.free_road.grid(result)
    return None if grid is None else occupancy_grid_fields(grid)


def _level_frame(result: PerceptionResult, style: _Style) -> str:
    assert style.free_road is not None
    return style.free_road.grid_frame(result)


def _disparity_of(result: PerceptionResult) -> DisparityMap:
    assert result.disparity is not None
    return result.disparity


OUTPUTS = (
    _Output('~/labels', Image, Quantity.NOTHING, _labels),
    _Output('~/ood_mask', Image, Quantity.OOD_MASK, _ood_mask),
    _Output('~/foreign_probability', Image, Quantity.FOREIGN_PROBABILITY, _foreign_probability),
    _Output('~/confidence', Image, Quantity.CONFIDENCE, _confidence),
    _Output('~/labels_color', Image, Quantity.NOTHING, _labels_color),
    _Output('~/overlay', Image, Quantity.OOD_MASK, _overlay),
    _Output('disparity', DisparityImage, Quantity.DISPARITY, _disparity),
    _Output('depth', Image, Quantity.DISPARITY, _depth),
    _Output(
        '~/points', PointCloud2, Quantity.DISPARITY | Quantity.FOREIGN_PROBABILITY, _points),
)
"""Result topics of every network."""

SCALE_SWITCHES = _Output('~/scale_switches', Image, Quantity.NOTHING, _scale_switches)
"""Result topic of networks that select their scales."""

DISPARITY_CONFIDENCE = _Output(
    '~/disparity_confidence', Image, Quantity.DISPARITY, _disparity_confidence)
"""Result topic of matchers that provide a confidence."""

FREE_ROAD = _Output(
    '~/free_road', Image, Quantity.DISPARITY | Quantity.OOD_MASK, _free_road)
"""Result topic of taxonomies with a class for the road."""

FREE_ROAD_GRID = _Output(
    '~/free_road_grid', OccupancyGrid, Quantity.DISPARITY | Quantity.OOD_MASK, _free_road_grid,
    _level_frame)
"""Result topic of such taxonomies if the camera pose is known."""


class Outputs:
    """Publishers of the results.

    Args:
        node: Owner of the publishers.
        config: QoS and appearance; replace the attribute to change the appearance at run time.
        perception: Pipeline that produces the results.
        free_road: Source of free road; None if the taxonomy has no class for the road.
    """

    def __init__(
        self, node: LifecycleNode, config: OutputConfig, perception: Perception,
        free_road: FreeRoadView | None,
    ) -> None:
        self._node = node
        self._perception = perception
        self._free_road = free_road
        self.config = config
        qos = QoSProfile(
            depth=config.queue_depth,
            reliability=ReliabilityPolicy[config.reliability.upper()])
        self._publishers = {
            output: node.create_lifecycle_publisher(
                output.message_type, output.topic, qos,
                qos_overriding_options=QoSOverridingOptions.with_default_policies())
            for output in (
                *OUTPUTS,
                *((SCALE_SWITCHES,) if perception.switch_levels is not None else ()),
                *((DISPARITY_CONFIDENCE,) if perception.gives_disparity_confidence else ()),
                *((FREE_ROAD,) if free_road is not None else ()),
                *((FREE_ROAD_GRID,) if free_road is not None and free_road.has_grid else ()))
        }

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def wanted(self) -> tuple[_Output, ...]:
        """Outputs with at least one subscriber."""
        return tuple(
            output for output, publisher in self._publishers.items()
            if publisher.get_subscription_count())

    def publish(self, result: PerceptionResult, wanted: tuple[_Output, ...]) -> None:
        """Publish a result on the wanted topics, with the stamp of its left image."""
        seconds, nanoseconds = divmod(result.frame.stamp_ns, 1_000_000_000)
        stamp = Time(sec=seconds, nanosec=nanoseconds)
        style = _Style(self._perception, self.config, self._free_road)
        for output in wanted:
            fields = output.fields(result, style)
            if fields is None:
                continue
            message = fill(output.message_type(), fields)
            message.header = header = Header(
                stamp=stamp, frame_id=output.frame_id(result, style))
            if isinstance(message, DisparityImage):
                message.image.header = header
            self._publishers[output].publish(message)


def quantities(wanted: tuple[_Output, ...]) -> Quantity:
    """Quantities that the pipeline must compute for these outputs."""
    needed = Quantity.NOTHING
    for output in wanted:
        needed |= output.needs
    return needed


def publish_label_info(node: Node, taxonomy: Taxonomy, threshold: float) -> Publisher | None:
    """Publish the class map, latched, on ~/label_info.

    Args:
        node: Owner of the publisher.
        taxonomy: Class list of the labels.
        threshold: Foreign probability above which a pixel is out of distribution, in [0, 1].

    Returns:
        The publisher, which must stay alive for late subscribers; None without vision_msgs.
    """
    if LabelInfo is None:
        return None
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    message = LabelInfo(threshold=threshold)
    message.header.stamp = node.get_clock().now().to_msg()
    message.class_map = [
        VisionClass(class_id=label, class_name=name)
        for label, name in enumerate(taxonomy.class_names)
    ]
    publisher = node.create_publisher(LabelInfo, '~/label_info', latched)
    publisher.publish(message)
    return publisher


_TYPE_CODES = {np.dtype(np.uint8): 'B', np.dtype(np.int8): 'b'}


def fill(message: Any, fields: Fields) -> Any:
    """Set the fields of a message and return it.

    Bytes are passed as array.array: assigning the numpy array itself takes rclpy hundreds of
    times longer.
    """
    for name, value in fields.items():
        if isinstance(value, dict):
            fill(getattr(message, name), value)
        elif isinstance(value, np.ndarray) and value.dtype in _TYPE_CODES:
            data = array.array(_TYPE_CODES[value.dtype])
            data.frombytes(value.data.cast('B'))
            setattr(message, name, data)
        elif isinstance(value, list):
            setattr(message, name, [fill(PointField(), entry) for entry in value])
        else:
            setattr(message, name, value)
    return message
