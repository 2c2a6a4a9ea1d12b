# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Facts of a machine, and checks of its devices and software."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import re

from ldn_perception.config import InferenceConfig, ModelConfig
from ldn_perception.doctor.observations import Finding, error, error_of, ok, skipped, warning

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Environment variables of the Fast DDS profile: up to ROS 2 Jazzy, and since Kilted."""

ENVIRONMENT_VARIABLES = (
    *PROFILE_VARIABLES, 'RMW_IMPLEMENTATION', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_DISTRO',
    'ROS_DOMAIN_ID', 'ROS_LOCALHOST_ONLY',
)
"""Environment variables used by the checks."""

DISTRIBUTIONS = {'3': 'humble', '4': 'iron', '7': 'jazzy', '9': 'kilted'}
"""Major version of rclpy -> ROS 2 distribution."""

ROS_PACKAGES = (
    'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'lifecycle_msgs', 'nav_msgs',
    'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs', 'stereo_msgs',
)
"""Message packages that the nodes import."""

FAST_DDS = 'rmw_fastrtps'
"""Prefix of the names of the middlewares based on Fast DDS."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """NVIDIA GPUs as seen by the driver and by torch.

    Attributes:
        names: Names of the GPUs that the driver sees.
        driver: Version of the driver; empty if unknown.
        driver_cuda: Newest CUDA version the driver supports, '12.4'; empty if unknown.
        torch_cuda: CUDA version torch was built for; empty for a CPU build.
        num_seen_by_torch: Number of GPUs that torch can use.
    """

    names: tuple[str, ...] = ()
    driver: str = ''
    driver_cuda: str = ''
    torch_cuda: str = ''
    num_seen_by_torch: int = 0


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """Directory of POSIX shared memory.

    Attributes:
        total_bytes: Its size.
        free_bytes: Free space.
        num_stale: Number of Fast DDS segments whose process has ended.
        stale_bytes: Size of these segments.
    """

    total_bytes: int
    free_bytes: int
    num_stale: int = 0
    stale_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RosProcess:
    """A process of this user with a ROS 2 middleware loaded.

    Attributes:
        pid: Process id.
        command: Short name of the process.
        environment: Its variables among ENVIRONMENT_VARIABLES.
    """

    pid: int
    command: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights file of the configured model.

    Attributes:
        path: Path of the file; empty for random weights.
        problem: Error message if the node cannot load it; empty if it can.
    """

    path: str = ''
    problem: str = ''


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of this machine, this shell and this Python.

    Attributes:
        python: Version of Python.
        packages: Name of a package -> its version; empty if it is missing.
        missing_ros_packages: Packages of ROS_PACKAGES that are not installed.
        environment: Variables of ENVIRONMENT_VARIABLES that are set.
        profiles: Variable of PROFILE_VARIABLES -> text of the file it names; None if the file is
            missing.
        large_image_profile: Path of the profile shipped with the package.
        gpus: The GPUs.
        has_cpu_bfloat16: True if the CPU has instructions for bfloat16.
        weights: Weights file of the configured model.
        shared_memory: Shared memory of this machine; None if it has none.
        ros_processes: Running ROS 2 processes, except this one.
        log_directory: Log directory of rclpy.
        is_log_writable: True if the log directory is writable.
        socket_buffer_bytes: Maximum receive buffer of a socket; None if unknown.
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
        """ROS 2 distribution of rclpy, else the sourced one; empty if unknown."""
        number = self.packages.get('rclpy', '').partition('.')[0]
        return DISTRIBUTIONS.get(number, self.environment.get('ROS_DISTRO', ''))

    @property
    def profile_variable(self) -> str:
        """Variable of PROFILE_VARIABLES that processes of this ROS 2 read."""
        before_kilted = self.distribution in ('', 'humble', 'iron', 'jazzy')
        return PROFILE_VARIABLES[0 if before_kilted else 1]


def check_gpu(gpus: Gpus, config: InferenceConfig) -> Finding:
    """Check that torch can use the configured GPU."""
    seen = ', '.join(gpus.names)
    if gpus.num_seen_by_torch:
        return ok('GPU', f'{seen or "a GPU"}, driver {gpus.driver or "unknown"}, '
                         f'torch for CUDA {gpus.torch_cuda or "unknown"}')
    if config.device == 'cpu':
        return ok('GPU', 'not wanted: inference.device is cpu')
    if gpus.names:
        return _unusable(gpus, seen)
    if config.device == 'cuda':
        return error(
            'GPU', 'inference.device is cuda, and there is no NVIDIA GPU',
            'set inference.device to auto or cpu, or install the driver of the GPU')
    return warning(
        'GPU', 'no NVIDIA GPU: the network runs on the CPU',
        'set inference.device to cpu to accept that; else install the driver, or give the '
        'container the GPU (--gpus all)')


def _unusable(gpus: Gpus, seen: str) -> Finding:
    if not gpus.torch_cuda:
        return error(
            'GPU', f'{seen}, but torch is a CPU build',
            'run make clean environment: it installs the CUDA build where nvidia-smi finds a GPU')
    if gpus.driver_cuda and _cuda_numbers(gpus.driver_cuda)[0] < _cuda_numbers(gpus.torch_cuda)[0]:
        return error(
            'GPU', f'{seen}: driver {gpus.driver} serves CUDA {gpus.driver_cuda}, torch is for '
            f'CUDA {gpus.torch_cuda}',
            'update the driver, or install a torch that is built for its CUDA')
    return error(
        'GPU', f'{seen}, driver {gpus.driver or "unknown"}, but torch for CUDA {gpus.torch_cuda} '
        'cannot use it',
        'look at nvidia-smi and CUDA_VISIBLE_DEVICES; give a container the GPU (--gpus all)')


def _cuda_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split('.') if number.isdigit()) or (0,)


def check_bfloat16(machine: Machine, config: InferenceConfig) -> Finding:
    """Check that the precision suits the CPU, if the network runs on it."""
    check = 'CPU bfloat16'
    if machine.gpus.num_seen_by_torch and config.device != 'cpu':
        return ok(check, 'not needed: the network runs on the GPU')
    if machine.has_cpu_bfloat16:
        return ok(check, 'the CPU has instructions for it')
    if config.precision == 'bfloat16':
        return warning(
            check, 'the CPU has no instructions for it and emulates them slowly',
            'set inference.precision to auto')
    return ok(check, 'the CPU has no instructions for it: float32 is taken')


def check_weights(machine: Machine, config: ModelConfig) -> Finding:
    """Check that the weights of the configured model can be loaded."""
    check, weights = 'weights', machine.weights
    if weights.problem:
        return error_of(check, weights.problem)
    if not weights.path:
        return warning(
            check, f'UNTRAINED: {config.name} with taxonomy {config.taxonomy} runs with random '
            'weights, its labels mean nothing',
            'set model.weights to a file of ldn train or ldn weights convert, or model.name and '
            'model.taxonomy to ones with shipped weights (docs/weights.md)')
    return ok(check, f'{config.name}, {config.taxonomy}: {weights.path}')


_LAST_DOMAIN = 232
_SAFE_DOMAINS = (range(102), range(215, 233))
_RANGES = ('', 'SUBNET', 'LOCALHOST', 'OFF', 'SYSTEM_DEFAULT')


def check_domain(machine: Machine) -> Finding:
    """Check the domain id.

    Source: ROS 2 documentation, The ROS_DOMAIN_ID: above 232 there are no ports, and from 102 to
    214 they are among the ephemeral ones of Linux.
    """
    check, text = 'ROS_DOMAIN_ID', machine.environment.get('ROS_DOMAIN_ID', '')
    number = int(text or 0) if (text or '0').isdecimal() else -1
    if not 0 <= number <= _LAST_DOMAIN:
        return error(
            check, f'{text!r} is no domain', 'set ROS_DOMAIN_ID to 0 to 101, the same everywhere')
    if not any(number in domains for domains in _SAFE_DOMAINS):
        return warning(
            check, f'{number}: its ports can be taken by other programs',
            'set ROS_DOMAIN_ID to 0 to 101, the same everywhere')
    return ok(check, str(number) if text else '0, not set')


def check_discovery(machine: Machine) -> Finding:
    """Check the discovery range of the nodes."""
    check = 'discovery range'
    given = machine.environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '')
    if given not in _RANGES:
        return error(
            check, f'ROS_AUTOMATIC_DISCOVERY_RANGE is {given!r}',
            'set it to SUBNET, or to LOCALHOST for one machine')
    if given == 'OFF':
        return error(
            check, 'ROS_AUTOMATIC_DISCOVERY_RANGE is OFF: nodes do not find each other',
            'set it to SUBNET, or to LOCALHOST for one machine')
    if given == 'LOCALHOST' or machine.environment.get('ROS_LOCALHOST_ONLY') == '1':
        return ok(check, 'this machine only')
    return ok(check, 'the subnet')


def check_log_directory(machine: Machine) -> Finding:
    """Check that rclpy can write its log; otherwise nodes do not start."""
    check = 'log directory'
    if not machine.is_log_writable:
        return error(
            check, f'{machine.log_directory} cannot be written, so no node starts',
            'set ROS_LOG_DIR to a directory of this user')
    return ok(check, machine.log_directory)


@dataclass(frozen=True, slots=True)
class TestedVersions:
    """Range of tested versions of a package.

    Attributes:
        lowest: First tested version.
        end: First version that is not tested.
    """

    lowest: str
    end: str


PYTHON = TestedVersions('3.10', '3.15')
PACKAGES = {
    'torch': TestedVersions('2.13', '3'),
    'numpy': TestedVersions('1.26', '3'),
    'OpenCV': TestedVersions('4.5', '5'),
    'rosbags': TestedVersions('0.11', '1'),
}
"""Tested versions of version-sensitive dependencies; see docs/dependencies.md."""


def check_versions(machine: Machine) -> Finding:
    """Compare the versions of Python and of the packages with the tested ones."""
    tested = {'Python': PYTHON, **PACKAGES}
    present = {'Python': machine.python, **{
        name: machine.packages.get(name, '') for name in PACKAGES}}
    missing = [name for name, version in present.items() if not version]
    if missing:
        return error(
            'versions', f'{" and ".join(missing)} cannot be found',
            'run make environment, and start ldn from its .venv')
    odd = [
        f'{name} {version} (tested: {tested[name].lowest} to below {tested[name].end})'
        for name, version in present.items() if not _is_tested(version, tested[name])]
    if odd:
        return warning(
            'versions', ', '.join(odd),
            'run make environment: it installs the versions of constraints.txt')
    return ok('versions', ', '.join(f'{name} {version}' for name, version in present.items()))


def _is_tested(version: str, tested: TestedVersions) -> bool:
    return _numbers(tested.lowest) <= _numbers(version) < _numbers(tested.end)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', version.partition('+')[0])[:3])


def check_ros(machine: Machine) -> Finding:
    """Check that ROS 2 is complete and of one distribution."""
    version = machine.packages.get('rclpy', '')
    sourced = machine.environment.get('ROS_DISTRO', '')
    if not version:
        return error(
            'ROS 2', 'Python finds no rclpy',
            'source /opt/ros/<distribution>/setup.bash, or run make environment')
    own = DISTRIBUTIONS.get(version.partition('.')[0], '')
    if machine.missing_ros_packages:
        return error(
            'ROS 2', f'Python finds no {", ".join(machine.missing_ros_packages)}',
            'rosdep install --from-paths . --ignore-src, or run make environment')
    if own and sourced and own != sourced:
        return error(
            'ROS 2', f'rclpy {version} is of {own}, but {sourced} is sourced',
            'use one of them: open a new shell, source it and run make clean environment')
    if not own:
        return warning(
            'ROS 2', f'rclpy {version} of {sourced or "an unknown distribution"}',
            'the package was tested with Jazzy: report what does not work')
    return ok('ROS 2', f'{own}, rclpy {version}')


def check_messages(machine: Machine, problem: str | None) -> Finding:
    """Report the test of serialising and deserialising a message.

    Args:
        machine: Facts with the version of numpy.
        problem: Problem of the test; empty if there was none, None if it did not run.
    """
    check, numpy = 'ROS 2 messages', machine.packages.get('numpy', '')
    if problem is None:
        return skipped(check, 'not tried')
    if problem:
        return error(
            check, f'{problem}, with numpy {numpy}',
            'use the numpy major that ROS 2 was compiled with (1 for Humble and Jazzy from '
            'packages): run make clean environment with that ROS 2 sourced')
    return ok(check, f'arrays pass unharmed through messages with numpy {numpy}')
