# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the software of this machine is what the package was tested with."""

from __future__ import annotations

from dataclasses import dataclass
import re

from ldn_perception.diagnosis.finding import Finding, error, ok, skipped, warning
from ldn_perception.diagnosis.machine import DISTRIBUTIONS, Machine


@dataclass(frozen=True, slots=True)
class TestedVersions:
    """From which version on, and up to which one, a package is known to do.

    Attributes:
        lowest: First version.
        end: First version that is not known to do.
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
"""What the package imports and what comes in versions that matter; docs/dependencies.md."""


def check_versions(machine: Machine) -> Finding:
    """Compare the versions of Python and of the packages with those that are known to do."""
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
    """Find out which ROS 2 is in use."""
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
    """Report how messages were packed and unpacked again.

    Args:
        machine: For the version of numpy.
        problem: What went wrong; empty if nothing did, None if nobody tried.
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
