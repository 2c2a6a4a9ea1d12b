# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be known of a machine without asking ROS 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Where Fast DDS looks for its profile: up to ROS 2 Jazzy, and from Kilted on."""

ENVIRONMENT_VARIABLES = (
    *PROFILE_VARIABLES, 'RMW_IMPLEMENTATION', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_DISTRO',
    'ROS_DOMAIN_ID', 'ROS_LOCALHOST_ONLY',
)
"""Variables the checks look at."""

DISTRIBUTIONS = {'3': 'humble', '4': 'iron', '7': 'jazzy', '9': 'kilted'}
"""First number of the version of rclpy -> ROS 2 distribution."""

ROS_PACKAGES = (
    'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'lifecycle_msgs', 'nav_msgs',
    'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs', 'stereo_msgs',
)
"""Message packages the nodes import."""

FAST_DDS = 'rmw_fastrtps'
"""How the names of the middlewares on Fast DDS begin."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """NVIDIA GPUs, as the driver and as torch see them.

    Attributes:
        names: Of those the driver sees.
        driver: Version of the driver; empty if unknown.
        driver_cuda: Newest CUDA the driver serves, '12.4'; empty if unknown.
        torch_cuda: CUDA that torch was built for; empty for a CPU build.
        num_seen_by_torch: GPUs that torch can use.
    """

    names: tuple[str, ...] = ()
    driver: str = ''
    driver_cuda: str = ''
    torch_cuda: str = ''
    num_seen_by_torch: int = 0


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """The directory of POSIX shared memory.

    Attributes:
        total_bytes: Its size.
        free_bytes: What is left of it.
        num_stale: Segments of Fast DDS whose process is gone.
        stale_bytes: What they take.
    """

    total_bytes: int
    free_bytes: int
    num_stale: int = 0
    stale_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RosProcess:
    """A process of this user that has a ROS 2 middleware loaded.

    Attributes:
        pid: Its number.
        command: What it runs, in short.
        environment: Its variables among ENVIRONMENT_VARIABLES.
    """

    pid: int
    command: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The weights file of the configured model.

    Attributes:
        path: Where it is; empty where random weights are asked for.
        problem: Why the node cannot load it, as a sentence; empty if it can.
    """

    path: str = ''
    problem: str = ''


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, this shell and this Python.

    Attributes:
        python: Version of Python.
        packages: Name of a package -> its version; empty where it is missing.
        missing_ros_packages: Those of ROS_PACKAGES that are not there.
        environment: Variables among ENVIRONMENT_VARIABLES that are set.
        profiles: Variable among PROFILE_VARIABLES -> text of the file it names; None where there
            is no such file.
        large_image_profile: Path of the profile that comes with the package.
        gpus: The GPUs.
        has_cpu_bfloat16: Whether the CPU has instructions for bfloat16.
        weights: Of the configured model.
        shared_memory: Of this machine; None where it has none.
        ros_processes: Running processes of ROS 2, without this one.
        log_directory: Where rclpy writes its logs.
        is_log_writable: Whether it can.
        socket_buffer_bytes: Largest receive buffer of a socket; None if unknown.
    """

    python: str
    packages: Mapping[str, str]
    missing_ros_packages: tuple[str, ...]
    environment: Mapping[str, str]
    profiles: Mapping[str, str | None]
    large_image_profile: str
    gpus: Gpus
    has_cpu_bfloat16: bool
    weights: WeightsFile
    shared_memory: SharedMemory | None
    ros_processes: tuple[RosProcess, ...]
    log_directory: str
    is_log_writable: bool
    socket_buffer_bytes: int | None

    @property
    def distribution(self) -> str:
        """ROS 2 distribution that rclpy is of, else the one that is sourced; empty if unknown."""
        number = self.packages.get('rclpy', '').partition('.')[0]
        return DISTRIBUTIONS.get(number, self.environment.get('ROS_DISTRO', ''))

    @property
    def profile_variable(self) -> str:
        """Variable among PROFILE_VARIABLES that processes of this ROS 2 read."""
        before_kilted = self.distribution in ('', 'humble', 'iron', 'jazzy')
        return PROFILE_VARIABLES[0 if before_kilted else 1]
