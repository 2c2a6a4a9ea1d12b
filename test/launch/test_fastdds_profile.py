# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile, loaded by Fast DDS."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

PROFILE = Path(__file__).resolve().parents[2] / 'config' / 'fastdds_large_images.xml'
PROGRAM = """
import os, re, rclpy
rclpy.init()
node = rclpy.create_node('segment_size')
maps = open('/proc/self/maps').read()
segments = set(re.findall(r'(/dev/shm/fastrtps_[0-9a-f]{16})$', maps, re.MULTILINE))
print('segment', max((os.path.getsize(segment) for segment in segments), default=0))
"""


def segment_size_of_a_participant(environment: dict[str, str]) -> int:
    """Size of the shared memory that a node makes for what it publishes [bytes]."""
    output = subprocess.run(
        [sys.executable, '-c', PROGRAM], check=True, capture_output=True, text=True,
        env=environment, timeout=60).stdout
    return int(output.split('segment ')[1])


def test_profile_enlarges_the_shared_memory(tmp_path: Path) -> None:
    rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
    if rclpy.get_rmw_implementation_identifier() != 'rmw_fastrtps_cpp':
        pytest.skip('another middleware than Fast DDS is in use')
    environment = {
        **os.environ, 'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_LOG_DIR': str(tmp_path),
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE),
        'FASTDDS_DEFAULT_PROFILES_FILE': str(PROFILE),
    }
    assert 64 << 20 < segment_size_of_a_participant(environment) < 80 << 20
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        del environment[name]
    assert segment_size_of_a_participant(environment) < 1 << 20
