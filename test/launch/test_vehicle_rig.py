# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file of a rig, run: one configured node for each head, and its transforms."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import sys
import time
from typing import Any

import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from lifecycle_msgs.msg import State  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

LIMIT_S = 280.0  # a node of a fresh build compiles its kernels first, here two at a time
RIG = 'vehicle_rig.launch.py'
SMALL = {'model': 'ldn_small', 'device': 'cpu'}
POSE = {'parent': 'base_footprint', 'child': 'front_camera', 'x': 1.5, 'yaw': 0.25}
STAND_IN = """#!{python}
import os, sys, time
with open(os.environ['ARGUMENTS_FILE'], 'a') as file:
    file.write(' '.join(sys.argv[1:]) + chr(10))
try:
    time.sleep(3600)
except KeyboardInterrupt:
    pass
"""


class Observer:
    """A node that asks others of their state and parameters."""

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

    def ask(self, kind: Any, service: str, request: Any) -> Any:
        """Answer of a service, once it is there and has found this client."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(LIMIT_S), f'{service} did not come up'
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            future = client.call_async(request)
            self.executor.spin_until_future_complete(future, 2.0)
            if future.done():
                return future.result()
        raise AssertionError(f'{service} did not answer')

    def wait_until_active(self, node: str) -> None:
        """Wait until a lifecycle node has configured and activated itself."""
        limit = time.monotonic() + LIMIT_S
        state = None
        while time.monotonic() < limit:
            state = self.ask(GetState, f'{node}/get_state', GetState.Request()).current_state
            if state.id == State.PRIMARY_STATE_ACTIVE:
                return
            time.sleep(0.2)
        raise AssertionError(f'{node} is {state.label}')

    def text_parameters(self, node: str, *names: str) -> list[str]:
        """Values of text parameters of a node."""
        answer = self.ask(
            GetParameters, f'{node}/get_parameters', GetParameters.Request(names=names))
        return [value.string_value for value in answer.values]


@pytest.fixture
def observer(ros_environment: dict[str, str]) -> Iterator[Observer]:
    observer = Observer(int(ros_environment['ROS_DOMAIN_ID']))
    yield observer
    observer.close()


def write_rig(folder: Path, *heads: dict[str, Any]) -> str:
    path = folder / 'rig.yaml'
    path.write_text(yaml.safe_dump({'heads': list(heads)}))
    return str(path)


def tf2_ros_is_installed() -> bool:
    ament_index = pytest.importorskip('ament_index_python')
    return 'tf2_ros' in ament_index.get_packages_with_prefixes()


def stand_in(folder: Path, package: str, executable: str, prefixes: str) -> dict[str, str]:
    """Environment with a package of which the executable writes down its command line."""
    (folder / 'share/ament_index/resource_index/packages').mkdir(parents=True)
    (folder / 'share/ament_index/resource_index/packages' / package).touch()
    program = folder / 'lib' / package / executable
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    return {
        'AMENT_PREFIX_PATH': os.pathsep.join([str(folder), prefixes]),
        'ARGUMENTS_FILE': str(folder / 'arguments')}


def written_command_lines(environment: dict[str, str], count: int) -> list[str]:
    """Command lines of the stand-ins, once so many have started."""
    written = Path(environment['ARGUMENTS_FILE'])
    limit = time.monotonic() + LIMIT_S
    while not written.exists() or len(written.read_text().splitlines()) < count:
        assert time.monotonic() < limit, 'the executables did not start'
        time.sleep(0.1)
    return written.read_text().splitlines()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_head_becomes_a_node_of_its_own(
    start_launch: Callable[..., Any], observer: Observer, tmp_path: Path
) -> None:
    rig = write_rig(
        tmp_path,
        {'name': 'front', **SMALL, 'preset': 'realsense', 'camera': 'd455', 'parameters': {
            'inference.num_threads': 1, 'segmentation.label_policy': 'driving'}},
        {'name': 'rear', **SMALL, 'model': 'scale_invariant_small', 'left': '/back/l',
         'parameters': {'inference': {'num_threads': 1}}})
    launch = start_launch(launch_file=RIG, rig=rig, namespace='car')
    for node in ('/car/front/stereo_seg_node', '/car/rear/stereo_seg_node'):
        observer.wait_until_active(node)
    names = ('model.name', 'segmentation.label_policy', 'input.synchronization')
    assert observer.text_parameters('/car/front/stereo_seg_node', *names) == [
        'ldn_small', 'driving', 'approximate']
    assert observer.text_parameters('/car/rear/stereo_seg_node', *names) == [
        'scale_invariant_small', 'void', 'exact'], 'what the first head got must not reach this'
    for topic in ('/d455/d455/infra1/image_rect_raw', '/d455/d455/infra2/camera_info',
                  '/back/l/image_rect', '/car/rear/right/image_rect'):
        assert observer.node.count_subscribers(topic) == 1, topic
    launch.process.send_signal(signal.SIGINT)
    code, output = launch.wait()
    assert code == 0
    assert output.count('process started with pid') == 2
    assert 'configured: ldn_small (' in output
    assert 'configured: scale_invariant_small (' in output


def test_extrinsics_reach_the_publisher_of_tf(
    start_launch: Callable[..., Any], tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    environment = stand_in(
        tmp_path / 'tf2', 'tf2_ros', 'static_transform_publisher',
        ros_environment['AMENT_PREFIX_PATH'])
    rig = write_rig(tmp_path, {
        'name': 'front', **SMALL, 'respawn': False, 'parameters': {'autostart': False},
        'extrinsics': {**POSE, 'optical_frame': 'front_eye'}})
    start_launch(environment, launch_file=RIG, rig=rig)
    first, second = sorted(
        written_command_lines(environment, 2), key=lambda line: 'front_eye' in line)
    assert first.startswith(
        '--x 1.5 --y 0.0 --z 0.0 --roll 0.0 --pitch 0.0 --yaw 0.25 '
        '--frame-id base_footprint --child-frame-id front_camera --ros-args ')
    assert '__node:=tf_of_front_camera' in first
    assert '--frame-id front_camera --child-frame-id front_eye --ros-args' in second


def test_rviz_shows_the_topics_of_the_head_that_is_named(
    start_launch: Callable[..., Any], tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    environment = stand_in(
        tmp_path / 'rviz', 'rviz2', 'rviz2', ros_environment['AMENT_PREFIX_PATH'])
    rig = write_rig(
        tmp_path, {'name': 'front', **SMALL, 'parameters': {'autostart': False}},
        {'name': 'rear', **SMALL, 'preset': 'zed', 'extrinsics': POSE, 'parameters': {
            'autostart': False}})
    start_launch(
        environment, launch_file=RIG, rig=rig, namespace='car', publish_tf='false', rviz='rear')
    (line,) = written_command_lines(environment, 1)
    assert 'config/stereo_seg.rviz -f base_footprint --ros-args ' in line
    for remapping in (
            '__ns:=/car/rear', '/left/image_rect:=/zed/zed_node/left/color/rect/image',
            '/stereo_seg_node/free_road_grid:=stereo_seg_node/free_road_grid'):
        assert f'-r {remapping} ' in f'{line} '


@pytest.mark.parametrize(('heads', 'arguments', 'sentence'), [
    ([{'name': 'a'}, {'name': 'a'}], {},
     'name of a head must be there once, got a twice: rename one of them'),
    ([{'name': 'a', 'model': 'ldn999'}], {}, 'model.name of head a must be one of ldn121, '),
    ([{'name': 'a', 'weights': '/none'}], {},
     'model.weights of head a must be an existing file, got /none: check the path'),
    ([{'name': 'a', 'extrinsics': {**POSE, 'x': float('inf')}}], {},
     'x of extrinsics of head a must be a finite number, got inf: measure it again'),
    ([{'name': 'a'}], {'rviz': 'b'},
     "rviz must be empty or one of a, got 'b': name a head of the rig"),
    ([{'name': 'a'}], {'rig': '/none.yaml'},
     'rig must be an existing YAML file, got /none.yaml: check the path'),
])
def test_wrong_rig_ends_the_launch_with_a_sentence(
    start_launch: Callable[..., Any], tmp_path: Path, heads: list[dict[str, Any]],
    arguments: dict[str, str], sentence: str,
) -> None:
    given = {'rig': write_rig(tmp_path, *heads), **arguments}
    code, output = start_launch(launch_file=RIG, **given).wait()
    assert code == 1
    assert sentence in output
    assert len([line for line in output.splitlines() if '[ERROR]' in line]) == 1
    assert 'Traceback' not in output
    assert 'process started' not in output


def test_missing_tf2_ros_ends_the_launch_with_a_sentence(
    start_launch: Callable[..., Any], tmp_path: Path
) -> None:
    if tf2_ros_is_installed():
        pytest.skip('tf2_ros is installed')
    rig = write_rig(tmp_path, {'name': 'front', **SMALL, 'extrinsics': POSE})
    code, output = start_launch(launch_file=RIG, rig=rig).wait()
    assert code == 1
    assert ('tf2_ros must be installed to publish the extrinsics of the rig, got no such package: '
            'install it, or give publish_tf:=false') in output
    assert 'process started' not in output


def test_extrinsics_are_left_to_somebody_else(
    start_launch: Callable[..., Any], observer: Observer, tmp_path: Path
) -> None:
    rig = write_rig(tmp_path, {
        'name': 'front', **SMALL, 'extrinsics': POSE, 'parameters': {'autostart': False}})
    start_launch(launch_file=RIG, rig=rig, publish_tf='false')
    assert observer.text_parameters('/front/stereo_seg_node', 'model.name') == ['ldn_small']
