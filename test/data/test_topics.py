# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.data.bag_reader import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DISPARITY_IMAGE,
    IMAGE,
    StereoTopics,
    check_stereo_topics,
    find_stereo_topics,
)
from ldn_perception.errors import BagError


def _rig(left, right, kind=IMAGE, info='camera_info'):
    return {
        left: kind, right: kind,
        f'{left.removesuffix("/compressed").rpartition("/")[0]}/{info}': CAMERA_INFO,
        f'{right.removesuffix("/compressed").rpartition("/")[0]}/{info}': CAMERA_INFO,
    }


def test_topics_become_absolute_once():
    topics = StereoTopics(left_image='/left/image_rect').absolute()
    assert topics.left_image == '/left/image_rect'
    assert topics.right_info == '/right/camera_info'
    assert topics.absolute() == topics


@pytest.mark.parametrize('prefix', ['front', '/front', 'front/', '/front/'])
def test_prefix_is_a_namespace_whatever_its_slashes(prefix):
    topics = StereoTopics().with_prefix(prefix)
    assert topics.left_image == '/front/left/image_rect'
    assert topics.disparity == '/front/ground_truth/disparity'


def test_empty_prefix_is_the_root_namespace():
    assert StereoTopics().with_prefix('/') == StereoTopics().absolute()


def test_default_names_win_over_other_rigs():
    available = _rig('/a/left/image_rect', '/a/right/image_rect')
    available |= _rig('/left/image_rect', '/right/image_rect')
    assert find_stereo_topics(available) == StereoTopics().absolute()


def test_namespaced_rig_brings_its_ground_truth_namespace():
    available = _rig('/car/left/image_rect', '/car/right/image_rect')
    assert find_stereo_topics(available) == StereoTopics().with_prefix('car')


def test_raw_rigs_are_found_where_they_are_wanted():
    available = _rig('/car/left/image_rect', '/car/right/image_rect')
    available |= _rig('/car/left/image_raw', '/car/right/image_raw')
    raw = find_stereo_topics(available, raw=True)
    assert raw.inputs == (
        '/car/left/image_raw', '/car/right/image_raw', '/car/left/camera_info',
        '/car/right/camera_info')
    assert raw.labels == '/car/ground_truth/labels'
    assert find_stereo_topics(available) == StereoTopics().with_prefix('car')
    available |= _rig('/left/image_raw', '/right/image_raw')
    assert find_stereo_topics(available, raw=True).left_image == '/left/image_raw'


def test_no_raw_rig_is_named_after_what_was_looked_for():
    with pytest.raises(BagError, match='must be left/image_raw and its three companions'):
        find_stereo_topics({}, raw=True)


def test_left_inside_a_name_is_found():
    available = _rig('/kitti/camera_gray_left/image_raw', '/kitti/camera_gray_right/image_raw')
    available['/imu'] = 'sensor_msgs/msg/Imu'
    topics = find_stereo_topics(available)
    assert topics.right_image == '/kitti/camera_gray_right/image_raw'
    assert topics.right_info == '/kitti/camera_gray_right/camera_info'
    assert topics.labels == '/ground_truth/labels'


def test_rectified_images_are_preferred_to_raw_ones():
    available = _rig('/s/left/image_raw', '/s/right/image_raw')
    available |= _rig('/s/left/image_rect_color', '/s/right/image_rect_color')
    assert find_stereo_topics(available).left_image == '/s/left/image_rect_color'


def test_uncompressed_images_are_preferred_and_compressed_ones_taken():
    compressed = _rig(
        '/left/image_rect/compressed', '/right/image_rect/compressed', COMPRESSED_IMAGE
    )
    topics = find_stereo_topics(compressed)
    assert topics.left_image == '/left/image_rect/compressed'
    assert topics.left_info == '/left/camera_info'
    both = compressed | _rig('/left/image_rect', '/right/image_rect')
    assert find_stereo_topics(both) == StereoTopics().absolute()
    both = {f'/ns{topic}': kind for topic, kind in both.items()}
    assert find_stereo_topics(both) == StereoTopics().with_prefix('ns')


def test_two_rigs_are_an_error_that_lists_the_topics():
    available = _rig('/gray_left/image', '/gray_right/image')
    available |= _rig('/color_left/image', '/color_right/image')
    with pytest.raises(
        BagError, match=r'stereo topics of the bag must be .* got /gray_left/image, '
        r'/color_left/image in: /color_left/camera_info \[sensor_msgs/msg/CameraInfo\], '
    ):
        find_stereo_topics(available)


@pytest.mark.parametrize('lost', range(4))
def test_incomplete_rig_is_an_error(lost):
    available = _rig('/a/left/image', '/a/right/image')
    available.pop(list(available)[lost])
    with pytest.raises(BagError, match=r'got none in: /a/.*: name the four topics'):
        find_stereo_topics(available)


def test_empty_bag_is_named():
    with pytest.raises(BagError, match='got none in: an empty bag: name the four topics'):
        find_stereo_topics({})


def test_named_topics_are_checked():
    topics = StereoTopics().absolute()
    available = _rig('/left/image_rect', '/right/image_rect')
    check_stereo_topics(topics, available)
    available['/right/image_rect'] = DISPARITY_IMAGE
    with pytest.raises(
        BagError, match=r'topic /right/image_rect of the bag must be sensor_msgs/msg/Image or '
        r'sensor_msgs/msg/CompressedImage, got stereo_msgs/msg/DisparityImage: name the four'
    ):
        check_stereo_topics(topics, available)
    del available['/left/camera_info']
    available['/right/image_rect'] = IMAGE
    with pytest.raises(
        BagError, match=r'topic /left/camera_info of the bag must be sensor_msgs/msg/CameraInfo, '
        r'got missing among: /left/image_rect, /right/camera_info, /right/image_rect: name'
    ):
        check_stereo_topics(topics, available)
