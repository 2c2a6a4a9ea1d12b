# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file, run: the true node starts with the parameters, topics and environment asked."""

from collections.abc import Callable, Iterator
from pathlib import Path
import signal
import time
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from rcl_interfaces.msg import ParameterValue  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

DISCOVERY_LIMIT_S = 240.0  # a node of a fresh build compiles its kernels first
SMALL = {'model': 'ldn_small', 'device': 'cpu'}


class Observer:
    """A node that looks at another one from outside."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('observer', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def parameters(self, of: str, *names: str) -> list[object]:
        """Values of another node's parameters, once it answers."""
        client = self.node.create_client(GetParameters, f'{of}/get_parameters')
        assert client.wait_for_service(DISCOVERY_LIMIT_S), f'{of} did not come up'
        limit = time.monotonic() + DISCOVERY_LIMIT_S
        while time.monotonic() < limit:
            # A server answers into the void until it has discovered its client.
            future = client.call_async(GetParameters.Request(names=names))
            self.executor.spin_until_future_complete(future, 2.0)
            if future.done():
                return [_value(parameter) for parameter in future.result().values]
        raise AssertionError(f'{of} did not answer')

    def wait_for_subscriber(self, topic: str) -> None:
        """Wait until somebody subscribes to a topic."""
        limit = time.monotonic() + DISCOVERY_LIMIT_S
        while not self.node.count_subscribers(topic):
            assert time.monotonic() < limit, f'nobody subscribed to {topic}'
            self.executor.spin_once(timeout_sec=0.1)


def _value(parameter: ParameterValue) -> object:
    return {1: parameter.bool_value, 3: parameter.double_value, 4: parameter.string_value}[
        parameter.type]


@pytest.fixture
def observer(ros_environment: dict[str, str]) -> Iterator[Observer]:
    observer = Observer(int(ros_environment['ROS_DOMAIN_ID']))
    yield observer
    observer.close()


def environment_of_node(domain: str) -> dict[str, str]:
    """Environment of the perception node that runs in a domain, as the kernel has it."""
    for process in Path('/proc').glob('[0-9]*'):
        try:
            command = (process / 'cmdline').read_bytes()
            entries = (process / 'environ').read_bytes().decode().split('\0')
        except OSError:
            continue
        environment = dict(entry.split('=', 1) for entry in entries if '=' in entry)
        is_node = b'lib/ldn_perception/stereo_seg_node' in command
        if is_node and environment.get('ROS_DOMAIN_ID') == domain:
            return environment
    raise AssertionError('no perception node is running')


def write_parameters(path: Path, **values: object) -> str:
    lines = [f'    {name}: {value}\n' for name, value in values.items()]
    path.write_text('/**:\n  ros__parameters:\n' + ''.join(lines))
    return str(path)


def test_node_starts_and_ends_without_an_error(
    start_launch: Callable[..., Any], observer: Observer
) -> None:
    launch = start_launch(**SMALL)
    observer.wait_for_subscriber('/left/image_rect')
    launch.process.send_signal(signal.SIGINT)
    code, output = launch.wait()
    assert code == 0
    assert 'process has finished cleanly' in output
    assert 'Traceback' not in output


def test_arguments_win_over_the_parameter_file_and_the_file_over_defaults(
    start_launch: Callable[..., Any], observer: Observer, tmp_path: Path
) -> None:
    file = write_parameters(
        tmp_path / 'own.yaml', **{
            'model.name': 'scale_invariant_small', 'inference.device': 'cpu',
            'segmentation.ood_threshold': 0.25})
    start_launch(params_file=file, model='ldn_small', use_sim_time='true')
    names = ('model.name', 'inference.device', 'segmentation.ood_threshold', 'use_sim_time')
    assert observer.parameters('/stereo_seg_node', *names) == ['ldn_small', 'cpu', 0.25, True]


def test_default_parameter_file_reaches_a_node_in_a_namespace(
    start_launch: Callable[..., Any], observer: Observer, tmp_path: Path, prefix: Path
) -> None:
    default = (prefix / 'share/ldn_perception/config/stereo_seg.yaml').read_text()
    changed = tmp_path / 'changed.yaml'
    changed.write_text(default.replace('silence_s: 5.0', 'silence_s: 7.0'))
    assert changed.read_text() != default
    start_launch(**SMALL, namespace='car', params_file=str(changed))
    values = observer.parameters('/car/stereo_seg_node', 'monitoring.silence_s', 'model.name')
    assert values == [7.0, 'ldn_small']


def test_cameras_are_remapped_and_the_profile_is_given(
    start_launch: Callable[..., Any], observer: Observer, prefix: Path,
    ros_environment: dict[str, str],
) -> None:
    start_launch(
        **SMALL, namespace='car', left='/rig/a', right='b', image='image_rect_color')
    for topic in ('/rig/a/image_rect_color', '/rig/a/camera_info', '/car/b/image_rect_color',
                  '/car/b/camera_info'):
        observer.wait_for_subscriber(topic)
    profile = str(prefix / 'share/ldn_perception/config/fastdds_large_images.xml')
    environment = environment_of_node(ros_environment['ROS_DOMAIN_ID'])
    assert environment['FASTRTPS_DEFAULT_PROFILES_FILE'] == profile
    assert environment['FASTDDS_DEFAULT_PROFILES_FILE'] == profile


@pytest.mark.parametrize(('own', 'switch'), [({}, 'false'), (
    {'FASTRTPS_DEFAULT_PROFILES_FILE': '/own.xml'}, 'true')])
def test_profile_of_the_user_is_left_alone(
    start_launch: Callable[..., Any], observer: Observer, ros_environment: dict[str, str],
    own: dict[str, str], switch: str,
) -> None:
    start_launch(own, **SMALL, autostart='false', large_image_profile=switch)
    assert observer.parameters('/stereo_seg_node', 'autostart') == [False]
    environment = environment_of_node(ros_environment['ROS_DOMAIN_ID'])
    profiles = {name: environment[name] for name in environment if 'PROFILES_FILE' in name}
    assert profiles == own


@pytest.mark.parametrize(('arguments', 'sentence'), [
    ({'model': 'ldn999'}, 'model.name of the launch arguments must be one of ldn121, ldn_small, '),
    ({'autostart': 'yes'},
     "autostart of the launch arguments must be a bool, got 'yes': correct its type"),
    ({'weights': '/none.safetensors'}, 'model.weights of the launch arguments must be an existing '
     'file, got /none.safetensors: check the path'),
    ({'preset': 'zde'}, 'preset must be one of cityscapes, kitti, oakd, realsense, zed, '),
    ({'preset': './zde.yaml'}, 'preset must be an existing YAML file, got zde.yaml: check the'),
    ({'preset': 'kitti', 'camera': 'front'}, 'camera must be left out, as preset kitti has no '),
    ({'parameters': '{stereo.maximum: 1}'}, 'parameter of the launch arguments must be an option '
     "of the node, got 'stereo.maximum': choose one that ldn parameters lists"),
    ({'parameters': '{stereo.max_disparity: 100}'}, 'parameters of the node must be ones the node '
     'takes, got "stereo.max_disparity must be stereo.min_disparity (0) plus a multiple of 16'),
    ({'left': '/a b'}, "left of the launch arguments must be the name of a topic, got '/a b': "),
    ({'params_file': '/none.yaml'},
     'params_file must be an existing file, got /none.yaml: check the path'),
])
def test_wrong_argument_ends_the_launch_with_a_sentence(
    start_launch: Callable[..., Any], arguments: dict[str, str], sentence: str
) -> None:
    code, output = start_launch(**arguments).wait()
    assert code == 1
    assert sentence in output
    assert len([line for line in output.splitlines() if '[ERROR]' in line]) == 1
    assert 'Traceback' not in output


def test_preset_brings_topics_and_parameters_that_arguments_win_over(
    start_launch: Callable[..., Any], observer: Observer
) -> None:
    start_launch(
        **SMALL, preset='zed', camera='front', right='/own', parameters='{stereo: '
        '{max_disparity: 64}, output.points_max_range_m: 30, model.name: ldn121}')
    for topic in ('/front/zed_node/left/color/rect/image', '/own/image',
                  '/front/zed_node/left/color/rect/camera_info', '/own/camera_info'):
        observer.wait_for_subscriber(topic)
    names = ('output.points_max_range_m', 'model.name', 'input.synchronization')
    assert observer.parameters('/stereo_seg_node', *names) == [30.0, 'ldn_small', 'exact']


def test_missing_rviz_ends_the_launch_and_leaves_no_node(
    start_launch: Callable[..., Any], ros_environment: dict[str, str]
) -> None:
    ament_index = pytest.importorskip('ament_index_python')
    if 'rviz2' in ament_index.get_packages_with_prefixes():
        pytest.skip('rviz2 is installed')
    code, output = start_launch(**SMALL, rviz='true').wait()
    assert code == 1
    assert "package 'rviz2' not found" in output
    with pytest.raises(AssertionError, match='no perception node is running'):
        environment_of_node(ros_environment['ROS_DOMAIN_ID'])
