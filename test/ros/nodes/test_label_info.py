# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.qos import DurabilityPolicy
from stereo_frames import namespace

from ldn_perception.ros.nodes import outputs
from ldn_perception.ros.nodes.outputs import publish_label_info
from ldn_perception.taxonomy import ROB2018


@pytest.mark.skipif(outputs.LabelInfo is not None, reason='vision_msgs is installed')
def test_without_vision_msgs_nothing_is_published(tester):
    assert publish_label_info(tester, ROB2018, 0.5) is None


@pytest.mark.skipif(outputs.LabelInfo is None, reason='vision_msgs is not installed')
def test_the_class_map_waits_for_late_subscribers(tester):
    publisher = publish_label_info(tester, ROB2018, 0.5)
    received = []
    tester.create_subscription(
        outputs.LabelInfo, publisher.topic_name, received.append, publisher.qos_profile)
    while not received:
        rclpy.spin_once(tester, timeout_sec=0.1)
    assert received[0].class_map[13].class_name == 'car'


def test_the_class_map_names_every_class(monkeypatch):
    # vision_msgs is on no package index; its two messages are plain records
    monkeypatch.setattr(outputs, 'LabelInfo', lambda **fields: SimpleNamespace(
        header=namespace({'stamp': None}), **fields), raising=False)
    monkeypatch.setattr(outputs, 'VisionClass', lambda **fields: SimpleNamespace(**fields),
                        raising=False)
    created = {}
    publisher = SimpleNamespace(publish=lambda message: created.update(message=message))
    node = SimpleNamespace(
        create_publisher=lambda kind, topic, qos: (
            created.update(topic=topic, qos=qos) or publisher),
        get_clock=lambda: SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: 'now')))
    assert publish_label_info(node, ROB2018, 0.25) is publisher
    assert created['topic'] == '~/label_info'
    assert created['qos'].durability == DurabilityPolicy.TRANSIENT_LOCAL
    message = created['message']
    assert (message.threshold, message.header.stamp) == (0.25, 'now')
    assert [entry.class_name for entry in message.class_map] == list(ROB2018.class_names)
    assert [entry.class_id for entry in message.class_map] == list(range(39))
