# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The RViz configuration: displays RViz has, topics the node publishes, QoS that matches."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from ldn_perception.config import options

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / 'config' / 'stereo_seg.rviz').read_text())
DISPLAYS: list[dict[str, Any]] = CONFIG['Visualization Manager']['Displays']
TOPICS = {display['Name']: display['Topic'] for display in DISPLAYS if 'Topic' in display}
OF_EVERY_DISPLAY: dict[str, Any] = {'Class': str, 'Name': str, 'Enabled': bool}
PROPERTIES: dict[str, dict[str, Any]] = {
    'rviz_default_plugins/Image': {
        'Topic': dict, 'Normalize Range': bool, 'Min Value': (int, float),
        'Max Value': (int, float), 'Median window': int},
    'rviz_default_plugins/Map': {
        'Topic': dict, 'Update Topic': dict, 'Alpha': (int, float),
        'Color Scheme': {'map', 'costmap', 'raw'}, 'Draw Behind': bool, 'Use Timestamp': bool},
    'rviz_default_plugins/PointCloud2': {
        'Topic': dict, 'Selectable': bool, 'Size (m)': (int, float),
        'Style': {'Points', 'Squares', 'Flat Squares', 'Spheres', 'Boxes', 'Tiles'},
        'Size (Pixels)': (int, float), 'Alpha': (int, float), 'Decay Time': (int, float),
        'Position Transformer': {'XYZ'},
        'Color Transformer': {'RGB8', 'RGBF32', 'Intensity', 'FlatColor', 'AxisColor'}},
    'rviz_default_plugins/TF': {
        'Show Names': bool, 'Show Axes': bool, 'Show Arrows': bool, 'Marker Scale': (int, float),
        'Update Interval': (int, float), 'Frame Timeout': (int, float)},
}
"""Display plugins and properties, as rviz_default_plugins of Humble to Jazzy declares them."""
MESSAGE_OF_DISPLAY = {
    'rviz_default_plugins/Image': 'Image', 'rviz_default_plugins/Map': 'OccupancyGrid',
    'rviz_default_plugins/PointCloud2': 'PointCloud2'}
QOS = {
    'Depth': int, 'History Policy': {'Keep Last'},
    'Reliability Policy': {'Best Effort', 'Reliable'},
    'Durability Policy': {'Volatile', 'Transient Local'},
}


def message_type(topic: str) -> str:
    """Name of the class of the messages that the node publishes or takes on a topic."""
    display = next(
        display for display in DISPLAYS if display.get('Topic', {}).get('Value') == topic)
    return MESSAGE_OF_DISPLAY[display['Class']]


def is_allowed(value: object, allowed: Any) -> bool:
    return value in allowed if isinstance(allowed, set) else isinstance(value, allowed)


def shown_outputs() -> tuple[str, ...]:
    """Private topics that the launch file leads RViz to."""
    tree = ast.parse((ROOT / 'launch' / 'stereo_seg.launch.py').read_text())
    return next(
        ast.literal_eval(node.value) for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'SHOWN_OUTPUTS')


@pytest.mark.parametrize('display', DISPLAYS, ids=lambda display: display['Name'])
def test_display_is_one_of_rviz_with_properties_that_it_has(display: dict[str, Any]) -> None:
    known = {**OF_EVERY_DISPLAY, **PROPERTIES[display['Class']]}
    wrong = {
        key: value for key, value in display.items()
        if key not in known or not is_allowed(value, known[key])}
    assert wrong == {}
    assert display['Enabled']


@pytest.mark.parametrize('name', TOPICS)
def test_quality_of_service_is_spelled_as_rviz_reads_it(name: str) -> None:
    topic = TOPICS[name]
    assert set(topic) == {'Value', *QOS}
    assert all(is_allowed(topic[key], allowed) for key, allowed in QOS.items())
    assert 1 <= topic['Depth'] <= 2


def test_what_a_driver_wants_to_see_is_there() -> None:
    shown = {display['Class'].split('/')[1] for display in DISPLAYS}
    assert shown == {'Image', 'Map', 'PointCloud2', 'TF'}
    assert {topic['Value'] for topic in TOPICS.values()} == {
        '/left/image_rect',
        *(f'/stereo_seg_node/{name}' for name in (
            'overlay', 'labels_color', 'ood_mask', 'free_road', 'free_road_grid', 'points'))}


def test_launch_file_leads_rviz_to_every_topic_in_a_namespace() -> None:
    private = {topic['Value'] for topic in TOPICS.values()} - {'/left/image_rect'}
    assert {f'/stereo_seg_node/{output}' for output in shown_outputs()} == private
    source = (ROOT / 'launch' / 'stereo_seg.launch.py').read_text()
    assert "('/left/image_rect', topics.left_image(rectify))" in source


@pytest.mark.parametrize('output', shown_outputs())
def test_node_publishes_the_topic_with_the_type_of_the_display(output: str) -> None:
    outputs = pytest.importorskip(
        'ldn_perception.ros.nodes.outputs', reason='rclpy is not installed')
    all_outputs = (*outputs.OUTPUTS, outputs.FREE_ROAD, outputs.FREE_ROAD_GRID)
    published = {entry.topic: entry.message_type.__name__ for entry in all_outputs}
    assert published[f'~/{output}'] == message_type(f'/stereo_seg_node/{output}')


def reasons_not_to_match(topic: dict[str, Any]) -> list[str]:
    """What the middleware says of each QoS the node can offer to this subscriber."""
    qos = pytest.importorskip('rclpy.qos', reason='rclpy is not installed')

    def policy(policies: Any, name: str) -> Any:
        return policies[name.upper().replace(' ', '_')]

    asked = qos.QoSProfile(
        depth=topic['Depth'],
        reliability=policy(qos.ReliabilityPolicy, topic['Reliability Policy']),
        durability=policy(qos.DurabilityPolicy, topic['Durability Policy']))
    reliabilities = next(
        option.choices for option in options() if option.name == 'output.reliability')
    checks = [
        qos.qos_check_compatible(qos.QoSProfile(
            depth=1, reliability=policy(qos.ReliabilityPolicy, reliability)), asked)
        for reliability in reliabilities]
    return [reason for compatible, reason in checks if compatible == qos.QoSCompatibility.ERROR]


@pytest.mark.parametrize('name', TOPICS)
def test_quality_of_service_matches_whatever_the_node_offers(name: str) -> None:
    assert reasons_not_to_match(TOPICS[name]) == []


@pytest.mark.parametrize(('policy', 'value', 'count'), [
    ('Reliability Policy', 'Reliable', 1), ('Durability Policy', 'Transient Local', 2)])
def test_quality_of_service_that_would_show_nothing_is_found(
    policy: str, value: str, count: int
) -> None:
    assert len(reasons_not_to_match({**TOPICS['Overlay'], policy: value})) == count
