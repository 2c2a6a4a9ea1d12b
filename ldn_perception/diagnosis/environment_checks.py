# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether nodes of this shell can start and find others."""

from __future__ import annotations

from ldn_perception.diagnosis.finding import Finding, error, ok, warning
from ldn_perception.diagnosis.machine import Machine

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
    """Check how far nodes look for each other."""
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
    """Check that rclpy can write its log, without which it does not start."""
    check = 'log directory'
    if not machine.is_log_writable:
        return error(
            check, f'{machine.log_directory} cannot be written, so no node starts',
            'set ROS_LOG_DIR to a directory of this user')
    return ok(check, machine.log_directory)
