# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 network of its own for every test process."""

import os
import signal
import tempfile

import pytest

WORKER = os.environ.get('PYTEST_XDIST_WORKER', 'gw0')
os.environ['ROS_DOMAIN_ID'] = str(1 + (os.getpid() + 7 * int(WORKER.removeprefix('gw'))) % 100)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('ROS_LOG_DIR', tempfile.mkdtemp(prefix='ros_log_'))

rclpy = pytest.importorskip('rclpy', reason='no ROS 2 here')


def pytest_collection_modifyitems(items):
    for item in items:
        if '/ros/nodes/' in str(item.fspath):
            item.add_marker(pytest.mark.ros)


@pytest.fixture
def ros():
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def play(capsys):
    """Run the player as its process does, without the seconds that starting one takes."""
    from ldn_perception.ros.nodes import bag_player

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            bag_player.main([str(argument) for argument in arguments])
        return ended.value.code, capsys.readouterr().err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def tester(ros):
    node = rclpy.create_node('tester')
    yield node
    node.destroy_node()  # its topics would outlive the context
