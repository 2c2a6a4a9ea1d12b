# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the middleware: Fast DDS profile, shared memory and socket buffers."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from ldn_perception.doctor.machine_checks import FAST_DDS, PROFILE_VARIABLES, Machine, RosProcess
from ldn_perception.doctor.observations import Finding, error, ok, skipped, warning

LARGE_SEGMENT_BYTES = 64 << 20
"""Shared memory that a participant needs to lose no stereo images."""

PARTICIPANT_BYTES = 70 * 10**6
"""Space that such a participant takes in /dev/shm."""

_COMFORTABLE_PARTICIPANTS = 3
_LARGE_BUFFER_BYTES = 8 << 20
_NAMED = 3


def check_profile(machine: Machine, middleware: str) -> Finding:
    """Check that the profile of this shell provides shared memory for whole images."""
    check = 'DDS profile'
    if not middleware.startswith(FAST_DDS):
        return skipped(check, f'{middleware} is in use, the profile is for Fast DDS')
    for variable in PROFILE_VARIABLES:
        if machine.environment.get(variable) == '':
            return error(
                check, f'{variable} is set to nothing', f'unset {variable}, or {_set(machine)}')
        if variable in machine.profiles and machine.profiles[variable] is None:
            return error(
                check, f'{variable} names {machine.environment[variable]}, which is not there',
                _set(machine))
    text = machine.profiles.get(machine.profile_variable)
    if text is None:
        return _without_profile(check, machine)
    profile = read_profile(text)
    path = machine.environment[machine.profile_variable]
    if profile.problem:
        return error(check, f'{path} {profile.problem}', _set(machine))
    size = f'{profile.segment_bytes / (1 << 20):.3g} MiB of shared memory a participant'
    if profile.segment_bytes < LARGE_SEGMENT_BYTES:
        return warning(
            check, f'{path} gives {size}, stereo images need 64 MiB', _set(machine))
    return ok(check, f'{path}: {size}')


def _without_profile(check: str, machine: Machine) -> Finding:
    others = [variable for variable in PROFILE_VARIABLES if variable in machine.environment]
    if others:
        found = (f'{others[0]} is set, but ROS 2 {machine.distribution or "here"} reads '
                 f'{machine.profile_variable}')
    else:
        found = ('this shell has none: without it Fast DDS loses 40 to 55 % of best-effort stereo '
                 'images')
    return warning(check, found, _set(machine))


def _set(machine: Machine) -> str:
    return ('before drivers and nodes are started: export ' + ' '.join(
        f'{variable}={machine.large_image_profile}' for variable in PROFILE_VARIABLES))


def check_processes(machine: Machine, middleware: str) -> Finding:
    """Check that the running ROS 2 processes were started with a profile."""
    check = 'profile of processes'
    if not middleware.startswith(FAST_DDS):
        return skipped(check, f'{middleware} is in use, the profile is for Fast DDS')
    domain = machine.environment.get('ROS_DOMAIN_ID') or '0'
    processes = [
        process for process in machine.ros_processes
        if (process.environment.get('ROS_DOMAIN_ID') or '0') == domain]
    if not processes:
        return skipped(
            check, 'this user has no other process of ROS 2 on this machine and domain')
    without = [
        process for process in processes if not process.environment.get(machine.profile_variable)]
    if without:
        return warning(
            check, f'{len(without)} of {len(processes)} processes of ROS 2 have no DDS profile: '
            f'{_names(without)}',
            f'start them again with {machine.profile_variable} set; the launch file of this '
            'package sets it for its own nodes only')
    return ok(check, f'all {len(processes)} processes of ROS 2 have one')


def _names(processes: list[RosProcess]) -> str:
    named = ', '.join(f'{process.command} ({process.pid})' for process in processes[:_NAMED])
    return named + (' and others' if len(processes) > _NAMED else '')


def check_shared_memory(machine: Machine, middleware: str) -> Finding:
    """Check that shared memory has space for another participant."""
    check, memory = '/dev/shm', machine.shared_memory
    if not middleware.startswith(FAST_DDS):
        return skipped(check, f'{middleware} is in use')
    more = ('in Docker start the container with --shm-size=1g; elsewhere '
            'sudo mount -o remount,size=1G /dev/shm')
    if memory is None:
        return error(check, 'there is none, so images go through the network stack', more)
    found = f'{_megabytes(memory.free_bytes)} free of {_megabytes(memory.total_bytes)}'
    if memory.free_bytes < PARTICIPANT_BYTES:
        return error(
            check, f'{found}; a participant with the large-image profile takes 70 MB', more)
    if memory.free_bytes < _COMFORTABLE_PARTICIPANTS * PARTICIPANT_BYTES:
        return warning(
            check, f'{found}; each camera driver and node with the large-image profile takes '
            '70 MB', more)
    return ok(check, found)


def check_stale_segments(machine: Machine, middleware: str) -> Finding:
    """Check for shared memory left behind by killed processes."""
    check, memory = 'stale shared memory', machine.shared_memory
    if memory is None or not middleware.startswith(FAST_DDS):
        return skipped(check, 'there is no shared memory of Fast DDS')
    if memory.num_stale:
        return warning(
            check, f'{memory.num_stale} segments of processes that were killed, '
            f'{_megabytes(memory.stale_bytes)}',
            'run fastdds shm clean, or, while nothing of ROS 2 runs, rm /dev/shm/fastrtps_*')
    return ok(check, 'none')


def check_socket_buffers(machine: Machine, profile: Finding) -> Finding:
    """Check the socket buffers, which carry the images without shared memory.

    Args:
        machine: Facts of this machine.
        profile: Finding of `check_profile`.
    """
    check, size = 'net.core.rmem_max', machine.socket_buffer_bytes
    if size is None:
        return skipped(check, 'this system does not say')
    found = f'{size / (1 << 20):.3g} MiB'
    if size >= _LARGE_BUFFER_BYTES:
        return ok(check, found)
    if profile.advice or profile.state.value == 'skipped':
        return warning(
            check, f'{found}, and images may go through sockets',
            'sudo sysctl -w net.core.rmem_max=33554432')
    return ok(check, f'{found}; images of this machine go through shared memory')


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.0f} MB'


_BUILTIN_SEGMENT_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class TransportProfile:
    """Transports of the default participant profile.

    Attributes:
        segment_bytes: Shared memory of a participant; 0 for none.
        problem: Reason why the file provides none; empty if it does.
    """

    segment_bytes: int = 0
    problem: str = ''


def read_profile(text: str) -> TransportProfile:
    """Parse the XML of a profile file.

    Source: eProsima Fast DDS, XML profiles: transport descriptors and participant profiles.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return TransportProfile(problem=f'is not XML ({error})')
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
    participant = next((
        entry for entry in root.iter('participant')
        if entry.get('is_default_profile') in ('true', '1')), None)
    if participant is None:
        return TransportProfile(
            problem='has no participant with is_default_profile="true", so ROS 2 ignores it')
    named = participant.findall('.//userTransports/transport_id')
    used = {(entry.text or '').strip() for entry in named}
    segments = [
        int(_text(entry, 'segment_size', str(_BUILTIN_SEGMENT_BYTES)))
        for entry in root.iter('transport_descriptor')
        if _text(entry, 'transport_id') in used and _text(entry, 'type') == 'SHM']
    if segments:
        return TransportProfile(max(segments))
    rtps = participant.find('rtps')
    builtin = 'true' if rtps is None else _text(rtps, 'useBuiltinTransports', 'true')
    if builtin in ('false', '0'):
        return TransportProfile(problem='gives its participants no shared memory')
    return TransportProfile(_BUILTIN_SEGMENT_BYTES)


def _text(element: ElementTree.Element, name: str, default: str = '') -> str:
    return (element.findtext(name) or default).strip()
