# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Foxglove layout against what the node publishes."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any
from unittest.mock import MagicMock

import pytest

from ldn_perception.data.message_fields import POINT_TYPE

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = json.loads((ROOT / 'config' / 'foxglove_stereo_seg.json').read_text())
PANELS: dict[str, dict[str, Any]] = LAYOUT['configById']
NODE = 'stereo_seg_node'
MESSAGE_PATH = re.compile(
    r'(?P<topic>/\w+)\.status\[:\]\{name=="(?P<name>[^"]+)"\}'
    r'\.values\[:\]\{key=="(?P<key>[^"]+)"\}\.value')


def panels_of(kind: str) -> list[dict[str, Any]]:
    return [config for name, config in PANELS.items() if name.partition('!')[0] == kind]


def leaves(part: Any) -> Iterator[str]:
    """Panels of a layout tree, depth first."""
    if isinstance(part, str):
        yield part
        return
    assert part['direction'] in ('row', 'column')
    assert 0 < part['splitPercentage'] < 100
    yield from leaves(part['first'])
    yield from leaves(part['second'])


def plotted() -> list[re.Match[str]]:
    found = [
        MESSAGE_PATH.fullmatch(path['value'])
        for panel in panels_of('Plot') for path in panel['paths']
    ]
    assert found
    assert all(found)
    return [match for match in found if match]


@pytest.fixture(scope='module')
def published() -> dict[str, str]:
    """Topic -> type of everything the node may publish, by its default name."""
    pytest.importorskip('rclpy', reason='no ROS 2 here')
    from ldn_perception.ros.nodes import outputs
    extra = (outputs.SCALE_SWITCHES, outputs.DISPARITY_CONFIDENCE, outputs.FREE_ROAD,
             outputs.FREE_ROAD_GRID)
    return {
        f'/{output.topic}'.replace('/~', f'/{NODE}'): output.message_type.__name__
        for output in (*outputs.OUTPUTS, *extra)
    }


def test_every_panel_has_its_place_and_every_place_its_panel() -> None:
    placed = list(leaves(LAYOUT['layout']))
    assert sorted(placed) == sorted(PANELS)


def test_panels_are_of_types_that_foxglove_has() -> None:
    kinds = {name.partition('!')[0] for name in PANELS}
    assert kinds == {'Image', '3D', 'DiagnosticSummary', 'Plot'}
    assert all(re.fullmatch(r'[^!]+![a-z_]+', name) for name in PANELS)


def test_image_panels_show_images_of_the_node(published: dict[str, str]) -> None:
    shown = [panel['imageMode']['imageTopic'] for panel in panels_of('Image')]
    assert shown == [f'/{NODE}/{name}' for name in ('overlay', 'labels_color', 'ood_mask')]
    assert {published[topic] for topic in shown} == {'Image'}


def test_the_scene_shows_the_grid_and_points_by_a_field(published: dict[str, str]) -> None:
    (scene,) = panels_of('3D')
    kinds = {topic: published[topic] for topic in scene['topics']}
    assert sorted(kinds.values()) == ['OccupancyGrid', 'PointCloud2']
    for topic, look in scene['topics'].items():
        assert look['visible'] is True
        if kinds[topic] == 'PointCloud2':
            assert look['colorField'] in (POINT_TYPE.names or ())


def test_plots_and_summary_read_what_diagnostics_has() -> None:
    pytest.importorskip('rclpy', reason='no ROS 2 here')
    from builtin_interfaces.msg import Time

    from ldn_perception.decoding.domain_alarm import AlarmRule, DomainAlarm
    from ldn_perception.ros.nodes.diagnostics import Diagnostics, PairCheck, Statistics
    publisher, node = MagicMock(), MagicMock()
    node.create_publisher.return_value = publisher
    node.get_fully_qualified_name.return_value = f'/{NODE}'
    node.get_clock().now().to_msg.return_value = Time()
    counts = Statistics()
    counts.receive()
    counts.finish(0.1, {'network': 0.05})
    diagnostics = Diagnostics(
        node, {'device': 'cpu'}, lambda: 'torch', True, DomainAlarm(AlarmRule()))
    diagnostics.publish(counts.snapshot(), None, PairCheck())
    (message,), _ = publisher.publish.call_args
    assert node.create_publisher.call_args.args[1] == '/diagnostics'
    assert [panel['topicToRender'] for panel in panels_of('DiagnosticSummary')] == ['/diagnostics']
    values = {
        status.name: {entry.key: entry.value for entry in status.values}
        for status in message.status
    }
    for match in plotted():
        assert match['topic'] == '/diagnostics'
        float(values[match['name']][match['key']])


def test_every_line_of_a_plot_is_switched_on_and_named() -> None:
    for panel in panels_of('Plot'):
        assert all(path['enabled'] is True and path['label'] for path in panel['paths'])


def test_the_layout_is_installed() -> None:
    assert "glob('config/*.*')" in (ROOT / 'setup.py').read_text()
