# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.doctor.topic_checks import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DISPARITY_IMAGE,
    IMAGE,
    CameraNames,
    absolute,
    find_inputs,
)

DEFAULTS = CameraNames()


def topics(names=DEFAULTS, parameters=None, published=(), node_inputs=None):
    found = find_inputs(names, parameters or {}, published, node_inputs or {})
    return {entry.role: (entry.topic, entry.message_type) for entry in found}


def images(*arguments, **named):
    found = topics(*arguments, **named)
    return found['left_image'][0], found['right_image'][0]


@pytest.mark.parametrize(('name', 'namespace', 'full'), [
    ('left', '', '/left'), ('left', 'front', '/front/left'), ('left', '/front/', '/front/left'),
    ('/left', 'front', '/left'), ('zed/left', 'a/b', '/a/b/zed/left'),
])
def test_names_are_anchored(name, namespace, full):
    assert absolute(name, namespace) == full


def test_the_default_names():
    assert topics() == {
        'left_image': ('/left/image_rect', IMAGE), 'right_image': ('/right/image_rect', IMAGE),
        'left_info': ('/left/camera_info', CAMERA_INFO),
        'right_info': ('/right/camera_info', CAMERA_INFO)}


def test_the_names_of_the_user():
    names = CameraNames('car', '/zed/left', 'zed/right', 'image_rect_color')
    assert topics(names)['left_image'] == ('/zed/left/image_rect_color', IMAGE)
    assert topics(names)['right_info'] == ('/car/zed/right/camera_info', CAMERA_INFO)


def test_what_is_published_decides_where_nobody_says():
    raw, packed = '/left/image_raw', '/left/image_rect/compressed'
    assert images(published=[raw]) == (raw, '/right/image_raw')
    assert images(published=[raw, '/left/image_rect'])[0] == '/left/image_rect'
    assert images(published=[packed]) == (packed, '/right/image_rect/compressed')
    assert topics(published=[packed])['left_image'][1] == COMPRESSED_IMAGE


def test_the_parameters_of_the_node_win_over_what_is_published():
    assert images(
        parameters={'input.rectify': True, 'input.transport': 'compressed'},
        published=['/left/image_rect']) == (
            '/left/image_raw/compressed', '/right/image_raw/compressed')
    assert images(
        parameters={'input.rectify': False, 'input.transport': 'raw'},
        published=['/left/image_raw'])[0] == '/left/image_rect'


def test_an_external_disparity_stands_for_the_right_image():
    found = topics(CameraNames('car'), {'stereo.matcher': 'external'})
    assert list(found) == ['left_image', 'external_disparity', 'left_info', 'right_info']
    assert found['external_disparity'] == ('/car/external_disparity', DISPARITY_IMAGE)


REMAPPED = {
    '/camera/infra2/image_rect_raw': IMAGE, '/camera/infra1/image_rect_raw': IMAGE,
    '/camera/infra2/camera_info': CAMERA_INFO, '/camera/infra1/camera_info': CAMERA_INFO}


def test_what_the_node_listens_to_counts_where_the_user_says_nothing():
    assert topics(node_inputs=REMAPPED) == {
        'left_image': ('/camera/infra1/image_rect_raw', IMAGE),
        'right_image': ('/camera/infra2/image_rect_raw', IMAGE),
        'left_info': ('/camera/infra1/camera_info', CAMERA_INFO),
        'right_info': ('/camera/infra2/camera_info', CAMERA_INFO)}
    assert images(CameraNames(left='a', right='b'), node_inputs=REMAPPED) == (
        '/a/image_rect', '/b/image_rect')


def test_a_node_that_listens_to_something_else_tells_nothing():
    assert images(node_inputs={'/a': IMAGE}) == ('/left/image_rect', '/right/image_rect')
