# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run one launch file as `ros2 launch` does: run_launch_file.py FILE [name:=value …]."""

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

if __name__ == '__main__':
    launch_file, *given = sys.argv[1:]
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(launch_file),
        launch_arguments=[argument.split(':=', 1) for argument in given],
    )]))
    sys.exit(service.run())
