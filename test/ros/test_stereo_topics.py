# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Topics of cameras become remappings of exactly the inputs that the node has."""

from itertools import product
import re

import pytest

from ldn_perception.config import InputConfig
from ldn_perception.errors import RigError
from ldn_perception.ros.presets import StereoTopics


def test_defaults_are_the_names_of_the_node() -> None:
    assert all(name == topic for name, topic in StereoTopics().remappings())


@pytest.mark.parametrize(('image', 'rectified', 'raw'), [
    ('', '/cam/image_rect', '/cam/image_raw'),
    ('image_color', '/cam/image_color', '/cam/image_color'),
])
def test_images_of_either_kind_are_remapped(image: str, rectified: str, raw: str) -> None:
    topics = StereoTopics(left='/cam', image=image)
    remappings = dict(topics.remappings())
    assert {name: topic for name, topic in remappings.items() if name.startswith('left/')} == {
        'left/image_rect': rectified, 'left/image_rect/compressed': f'{rectified}/compressed',
        'left/image_raw': raw, 'left/image_raw/compressed': f'{raw}/compressed',
        'left/camera_info': '/cam/camera_info'}
    assert topics.left_image(rectify=False) == rectified
    assert topics.left_image(rectify=True) == raw


def test_every_input_of_the_node_is_remapped_and_nothing_else() -> None:
    stereo_input = pytest.importorskip(
        'ldn_perception.ros.nodes.stereo_input', reason='rclpy is not installed')
    inputs = {
        topic.topic
        for transport, rectify, matcher in product(
            ('raw', 'compressed'), (False, True), ('sgbm', 'external'))
        for topic in stereo_input._topics(InputConfig(transport, rectify), matcher)
    }
    assert {name for name, _ in StereoTopics().remappings()} == inputs


def test_given_topics_replace_others() -> None:
    topics = StereoTopics(left='/a', right='/b', image='image')
    assert topics.replaced({'left': '/c', 'image': '', 'model': 'x'}) == StereoTopics(
        left='/c', right='/b', image='image')


@pytest.mark.parametrize(('tree', 'sentence'), [
    ({'left': '/a b'}, "left of it must be the name of a topic, got '/a b': use letters"),
    ({'left': '/a/'}, "left of it must be the name of a topic, got '/a/': use letters"),
    ({'image': '{camera}'}, "image of it must be the name of a topic, got '{camera}': use"),
    ({'right': 7}, 'right of it must be text, got 7: put it into quotes'),
    ({'centre': '/a'}, 'key of it must be one of left, right, image, external_disparity, got '),
])
def test_wrong_topic(tree: object, sentence: str) -> None:
    with pytest.raises(RigError, match=re.escape(sentence)):
        StereoTopics.from_tree(tree, 'it')
