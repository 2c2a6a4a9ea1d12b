# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from observed_system import NODE, endpoint, input_topic, inputs, system, told
import pytest

from ldn_perception.config import InputConfig
from ldn_perception.doctor.topic_checks import check_input, check_system, qos_mismatch

DEFAULTS = InputConfig()
OTHERS = ('/left/image_rect', '/zed/left/image', '/zed/right/image')
START = (
    'start the camera driver, or name its topics with --left-camera, --right-camera and '
    '--image-name')


def check(topic, config=DEFAULTS, **changes):
    return check_input(topic, system(**changes), config)


def test_an_input_that_comes():
    assert told(check(input_topic('left_image'))) == (
        'ok: /left/image_rect of /left_camera: 50 messages, reliable, 160x96 rgb8 -> ')
    assert told(check(input_topic('right_info'))) == (
        'ok: /right/camera_info of /right_camera: 50 messages, reliable -> ')


def test_an_input_without_publisher():
    lonely = input_topic('right_image', publishers=(), stamps_ns=())
    assert told(check(lonely)) == f'error: nobody publishes /right/image_rect -> {START}'
    assert told(check(lonely, image_topics=OTHERS)) == (
        'error: nobody publishes /right/image_rect; there are images on /zed/left/image, '
        f'/zed/right/image -> {START}')


def test_many_other_images_are_not_all_named():
    lonely = input_topic('left_image', publishers=())
    found = check(lonely, image_topics=tuple(f'/a{number}' for number in range(9))).found
    assert found.endswith('/a4, /a5 and others')


def test_an_input_of_another_type():
    packed = endpoint('/camera', 'sensor_msgs/msg/CompressedImage')
    assert told(check(input_topic('left_image', publishers=(packed,)))) == (
        'error: /left/image_rect is sensor_msgs/msg/CompressedImage, the node wants '
        'sensor_msgs/msg/Image -> check the remapping and input.transport')


def test_an_input_of_two_publishers():
    twice = (endpoint('/player'), endpoint('/camera'))
    assert told(check(input_topic('left_image', publishers=twice))) == (
        'error: /left/image_rect has 2 publishers: /camera, /player -> stop all but one of '
        'them, or remap them')


def test_a_qos_that_does_not_fit_the_subscription_of_the_node():
    offered = (endpoint('/camera', reliability='best_effort'),)
    asked = (endpoint('/rviz'), endpoint(NODE))
    text = ('error: QoS of /left/image_rect: best effort offered, reliable asked for -> set '
            'input.reliability to best_effort, and take qos_overrides away')
    assert told(check(
        input_topic('left_image', publishers=offered, subscribers=asked))) == text
    # without the node: the subscription it would make
    alone = input_topic('left_image', publishers=offered, subscribers=())
    assert told(check(alone, InputConfig(reliability='reliable'))) == text
    assert check(alone).state.value == 'ok'


def test_an_input_that_is_silent():
    assert told(check(input_topic('left_info', stamps_ns=()))) == (
        'error: /left_camera publishes /left/camera_info, but nothing came in 5 s -> check that '
        'the camera streams: ros2 topic hz /left/camera_info')


def test_nothing_at_all():
    nothing = system(node=None, image_topics=('/zed/left/image',), inputs=inputs(**{
        role: input_topic(role, (), publishers=())
        for role in ('left_image', 'right_image', 'left_info', 'right_info')}))
    assert nothing.is_nothing_there
    assert told(check_system(nothing)) == (
        'skipped: no topics were found: neither /left/image_rect and its companions nor the node '
        '/stereo_seg_node, in 5 s; there are images on /zed/left/image -> start the cameras and '
        'the node; where they run already, name them with --namespace, '
        '--left-camera, --right-camera, --image-name '
        'and --node, and use their ROS_DOMAIN_ID')
    assert not system(node=None).is_nothing_there


@pytest.mark.parametrize(('offered', 'asked', 'text'), [
    ({}, {}, ''),
    ({}, {'reliability': 'best_effort'}, ''),
    ({'reliability': 'best_effort'}, {'reliability': 'best_effort'}, ''),
    ({'reliability': 'best_effort'}, {}, 'best effort offered, reliable asked for'),
    ({}, {'durability': 'transient_local'}, 'volatile offered, transient local asked for'),
    ({'durability': 'transient_local'}, {'durability': 'transient_local'}, ''),
    ({'durability': 'transient_local'}, {}, ''),
    ({'deadline_ns': 10**7}, {'deadline_ns': 10**7}, ''),
    ({'deadline_ns': 10**7}, {}, ''),
    ({'deadline_ns': 2 * 10**7}, {'deadline_ns': 10**7},
     'a deadline of 10 ms asked for, 20 ms offered'),
    ({}, {'deadline_ns': 10**7}, 'a deadline of 10 ms asked for, none offered'),
])
def test_qos_mismatch(offered, asked, text):
    assert qos_mismatch(endpoint('/a', **offered), endpoint('/b', **asked)) == text


@pytest.mark.ros
def test_qos_mismatch_agrees_with_rclpy():
    qos = pytest.importorskip('rclpy.qos', reason='no ROS 2 here')
    from rclpy.duration import Duration
    reliabilities, durabilities = ('reliable', 'best_effort'), ('volatile', 'transient_local')
    kinds = [
        (reliability, durability, deadline_ns) for reliability in reliabilities
        for durability in durabilities for deadline_ns in (0, 10**7, 2 * 10**7)]

    def profile(reliability, durability, deadline_ns):
        return qos.QoSProfile(
            depth=1, reliability=qos.ReliabilityPolicy[reliability.upper()],
            durability=qos.DurabilityPolicy[durability.upper()],
            deadline=Duration(nanoseconds=deadline_ns))

    for offered in kinds:
        for asked in kinds:
            compatibility, _ = qos.qos_check_compatible(profile(*offered), profile(*asked))
            ours = qos_mismatch(*(
                endpoint('/a', reliability=kind[0], durability=kind[1], deadline_ns=kind[2])
                for kind in (offered, asked)))
            assert (compatibility == qos.QoSCompatibility.ERROR) == bool(ours), (offered, asked)
