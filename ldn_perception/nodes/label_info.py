# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class names on the wire, where vision_msgs is installed."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile

from ldn_perception.taxonomy import Taxonomy

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:
    LabelInfo = None


def publish_label_info(node: Node, taxonomy: Taxonomy, threshold: float) -> Publisher | None:
    """Publish the class map, latched, on ~/label_info.

    Args:
        node: Owner of the publisher.
        taxonomy: Classes of the labels.
        threshold: Foreign probability above which a pixel is out of distribution.

    Returns:
        The publisher, which must live as long as the message shall be heard; None without
        vision_msgs.
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
