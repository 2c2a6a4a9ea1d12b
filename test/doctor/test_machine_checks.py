# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from observed_system import LARGE_PROFILE, PROFILE, machine, told
import pytest

from ldn_perception.config import InferenceConfig, ModelConfig
from ldn_perception.doctor.machine_checks import (
    PROFILE_VARIABLES,
    Gpus,
    RosProcess,
    SharedMemory,
    WeightsFile,
    check_bfloat16,
    check_discovery,
    check_domain,
    check_gpu,
    check_log_directory,
    check_messages,
    check_ros,
    check_versions,
    check_weights,
)
from ldn_perception.doctor.transport_checks import (
    TransportProfile,
    check_processes,
    check_profile,
    check_shared_memory,
    check_socket_buffers,
    check_stale_segments,
    read_profile,
)

FAST, CYCLONE = 'rmw_fastrtps_cpp', 'rmw_cyclonedds_cpp'
OLD, NEW = PROFILE_VARIABLES
PATH = '/opt/fastdds_large_images.xml'
SET = f'before drivers and nodes are started: export {OLD}={PATH} {NEW}={PATH}'
MIB = 1 << 20


def with_packages(**changes):
    return machine(packages={**machine().packages, **changes})


def with_environment(**variables):
    return machine(environment={**machine().environment, **variables})


@pytest.mark.parametrize(('version', 'state'), [
    ('2.12.1', 'warning'), ('2.13.0', 'ok'), ('2.13.0+cu126', 'ok'), ('2.14.2', 'ok'),
    ('3.0.0', 'warning'), ('2.9.1', 'warning'),
])
def test_versions_are_compared_as_numbers(version, state):
    assert check_versions(with_packages(torch=version)).state.value == state


def test_versions_in_words():
    assert told(check_versions(machine())) == (
        'ok: Python 3.11.7, torch 2.13.0+cpu, numpy 2.4.6, OpenCV 4.14.0, rosbags 0.11.9 -> ')
    assert told(check_versions(with_packages(OpenCV='5.0.0'))) == (
        'warning: OpenCV 5.0.0 (tested: 4.5 to below 5) -> run make environment: it installs '
        'the versions of constraints.txt')
    assert told(check_versions(with_packages(rosbags=''))) == (
        'error: rosbags cannot be found -> run make environment, and start ldn from its .venv')
    assert check_versions(machine(python='3.9.2')).state.value == 'warning'


@pytest.mark.parametrize(('rclpy', 'sourced', 'text'), [
    ('7.1.5', '', 'ok: jazzy, rclpy 7.1.5 -> '),
    ('9.1.2', 'kilted', 'ok: kilted, rclpy 9.1.2 -> '),
    ('', '', 'error: Python finds no rclpy -> source /opt/ros/<distribution>/setup.bash, or run '
             'make environment'),
    ('7.1.5', 'humble', 'error: rclpy 7.1.5 is of jazzy, but humble is sourced -> use one of '
                        'them: open a new shell, source it and run make clean environment'),
    ('11.0.0', 'rolling', 'warning: rclpy 11.0.0 of rolling -> the package was tested with '
                          'Jazzy: report what does not work'),
])
def test_ros(rclpy, sourced, text):
    changed = replace(with_packages(rclpy=rclpy), environment={'ROS_DISTRO': sourced})
    assert told(check_ros(changed)) == text


def test_missing_message_packages():
    assert told(check_ros(machine(missing_ros_packages=('nav_msgs', 'stereo_msgs')))) == (
        'error: Python finds no nav_msgs, stereo_msgs -> rosdep install --from-paths . '
        '--ignore-src, or run make environment')


def test_messages():
    assert told(check_messages(machine(), '')) == (
        'ok: arrays pass unharmed through messages with numpy 2.4.6 -> ')
    assert told(check_messages(machine(), None)) == 'skipped: not tried -> '
    assert told(check_messages(machine(), 'a CameraInfo comes back empty')).startswith(
        'error: a CameraInfo comes back empty, with numpy 2.4.6 -> use the numpy major that ROS')


NO_GPU, H100 = Gpus(), ('NVIDIA H100',)


@pytest.mark.parametrize(('gpus', 'device', 'text'), [
    (machine().gpus, 'auto', 'ok: NVIDIA H100, driver 550.1, torch for CUDA 12.6 -> '),
    (Gpus(num_seen_by_torch=1), 'auto',
     'ok: a GPU, driver unknown, torch for CUDA unknown -> '),
    (NO_GPU, 'cpu', 'ok: not wanted: inference.device is cpu -> '),
    (NO_GPU, 'auto', 'warning: no NVIDIA GPU: the network runs on the CPU -> set '
     'inference.device to cpu to accept that; else install the driver, or give the container '
     'the GPU (--gpus all)'),
    (NO_GPU, 'cuda', 'error: inference.device is cuda, and there is no NVIDIA GPU -> set '
     'inference.device to auto or cpu, or install the driver of the GPU'),
    (Gpus(H100, '550.1', '12.4'), 'auto', 'error: NVIDIA H100, but torch is a CPU build -> run '
     'make clean environment: it installs the CUDA build where nvidia-smi finds a GPU'),
    (Gpus(H100, '550.1', '12.4', '13.0'), 'auto', 'error: NVIDIA H100: driver 550.1 serves CUDA '
     '12.4, torch is for CUDA 13.0 -> update the driver, or install a torch that is built for '
     'its CUDA'),
    (Gpus(H100, '550.1', '12.4', '12.6'), 'cuda', 'error: NVIDIA H100, driver 550.1, but torch '
     'for CUDA 12.6 cannot use it -> look at nvidia-smi and CUDA_VISIBLE_DEVICES; give a '
     'container the GPU (--gpus all)'),
])
def test_gpu(gpus, device, text):
    assert told(check_gpu(gpus, InferenceConfig(device=device))) == text


@pytest.mark.parametrize(('gpu', 'has', 'precision', 'text'), [
    (True, False, 'auto', 'ok: not needed: the network runs on the GPU -> '),
    (False, True, 'auto', 'ok: the CPU has instructions for it -> '),
    (False, False, 'auto', 'ok: the CPU has no instructions for it: float32 is taken -> '),
    (False, False, 'bfloat16', 'warning: the CPU has no instructions for it and emulates them '
     'slowly -> set inference.precision to auto'),
])
def test_bfloat16(gpu, has, precision, text):
    changed = machine(gpus=machine().gpus if gpu else NO_GPU, has_cpu_bfloat16=has)
    assert told(check_bfloat16(changed, InferenceConfig(precision=precision))) == text


def test_bfloat16_counts_where_the_gpu_is_not_wanted():
    changed = machine(has_cpu_bfloat16=False)
    config = InferenceConfig(device='cpu', precision='bfloat16')
    assert check_bfloat16(changed, config).state.value == 'warning'


def test_weights():
    config = ModelConfig()
    assert told(check_weights(machine(), config)) == (
        'ok: ldn121_64_4, universal: /weights/ldn121_road.safetensors -> ')
    missing = machine(weights=WeightsFile(
        '/x', 'weights file /x must be an existing file, got nothing: check the path'))
    assert told(check_weights(missing, config)) == (
        'error: weights file /x must be an existing file, got nothing -> check the path')
    assert told(check_weights(machine(weights=WeightsFile()), config)).startswith(
        'warning: UNTRAINED: ldn121_64_4 with taxonomy universal runs with random weights, its '
        'labels mean nothing -> set model.weights to a file of ldn train')


@pytest.mark.parametrize(('value', 'text'), [
    ('', 'ok: 0, not set -> '), ('42', 'ok: 42 -> '), ('101', 'ok: 101 -> '),
    ('215', 'ok: 215 -> '),
    ('102', 'warning: 102: its ports can be taken by other programs -> set ROS_DOMAIN_ID to 0 '
            'to 101, the same everywhere'),
    ('233', "error: '233' is no domain -> set ROS_DOMAIN_ID to 0 to 101, the same everywhere"),
    ('-1', "error: '-1' is no domain -> set ROS_DOMAIN_ID to 0 to 101, the same everywhere"),
    ('x', "error: 'x' is no domain -> set ROS_DOMAIN_ID to 0 to 101, the same everywhere"),
])
def test_domain(value, text):
    assert told(check_domain(with_environment(ROS_DOMAIN_ID=value))) == text


@pytest.mark.parametrize(('variables', 'text'), [
    ({}, 'ok: the subnet -> '),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}, 'ok: this machine only -> '),
    ({'ROS_LOCALHOST_ONLY': '1'}, 'ok: this machine only -> '),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}, 'error: ROS_AUTOMATIC_DISCOVERY_RANGE is OFF: '
     'nodes do not find each other -> set it to SUBNET, or to LOCALHOST for one machine'),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'all'}, "error: ROS_AUTOMATIC_DISCOVERY_RANGE is 'all' -> "
     'set it to SUBNET, or to LOCALHOST for one machine'),
])
def test_discovery(variables, text):
    assert told(check_discovery(with_environment(**variables))) == text


def test_log_directory():
    assert told(check_log_directory(machine())) == 'ok: /home/robot/.ros/log -> '
    assert told(check_log_directory(machine(is_log_writable=False))) == (
        'error: /home/robot/.ros/log cannot be written, so no node starts -> set ROS_LOG_DIR to '
        'a directory of this user')


@pytest.mark.parametrize(('text', 'profile'), [
    (LARGE_PROFILE, TransportProfile(64 * MIB)),
    (f'<dds>{LARGE_PROFILE}</dds>', TransportProfile(64 * MIB)),
    (LARGE_PROFILE.replace('>SHM<', '>UDPv4<'), TransportProfile(
        problem='gives its participants no shared memory')),
    (LARGE_PROFILE.replace('is_default_profile="true"', ''), TransportProfile(
        problem='has no participant with is_default_profile="true", so ROS 2 ignores it')),
    (LARGE_PROFILE.replace('<transport_id>images</transport_id><type>',
                           '<transport_id>others</transport_id><type>'),
     TransportProfile(problem='gives its participants no shared memory')),
    ('<profiles><participant is_default_profile="true"/></profiles>',
     TransportProfile(512 << 10)),
])
def test_profile_is_read(text, profile):
    assert read_profile(text) == profile


def test_profile_that_is_no_xml():
    assert read_profile('<profiles>').problem.startswith('is not XML (')


def test_the_profile_of_the_package_is_large_enough():
    from pathlib import Path
    path = Path(__file__).parents[2] / 'config' / 'fastdds_large_images.xml'
    assert read_profile(path.read_text()) == TransportProfile(64 * MIB)


def set_up(variables, text=LARGE_PROFILE, rclpy='7.1.5'):
    """A machine with these profile variables, the files they name having the text."""
    return machine(
        packages={**machine().packages, 'rclpy': rclpy}, environment=variables,
        profiles={name: text for name, path in variables.items() if path})


@pytest.mark.parametrize(('changed', 'text'), [
    (machine(), f'ok: {PATH}: 64 MiB of shared memory a participant -> '),
    (set_up({OLD: '/a'}), 'ok: /a: 64 MiB of shared memory a participant -> '),
    (set_up({NEW: '/a'}, rclpy='9.1.2'), 'ok: /a: 64 MiB of shared memory a participant -> '),
    (set_up({}), 'warning: this shell has none: without it Fast DDS loses 40 to 55 % of '
     f'best-effort stereo images -> {SET}'),
    (set_up({NEW: '/a'}), f'warning: {NEW} is set, but ROS 2 jazzy reads {OLD} -> {SET}'),
    (set_up({OLD: '/a'}, rclpy='9.1.2'),
     f'warning: {OLD} is set, but ROS 2 kilted reads {NEW} -> {SET}'),
    (set_up({OLD: '/a', NEW: ''}), f'error: {NEW} is set to nothing -> unset {NEW}, or {SET}'),
    (set_up({OLD: '/a'}, None), f'error: {OLD} names /a, which is not there -> {SET}'),
    (set_up({OLD: '/a'}, PROFILE.format(size=4 * MIB)),
     'warning: /a gives 4 MiB of shared memory a participant, stereo images need 64 MiB -> '
     f'{SET}'),
    (set_up({OLD: '/a'}, LARGE_PROFILE.replace('>SHM<', '>UDPv4<')),
     f'error: /a gives its participants no shared memory -> {SET}'),
])
def test_profile(changed, text):
    assert told(check_profile(changed, FAST)) == text


@pytest.mark.parametrize('check', [
    check_profile, check_processes, check_shared_memory, check_stale_segments])
def test_other_middlewares_have_no_fast_dds(check):
    assert check(machine(), CYCLONE).state.value == 'skipped'


def process(pid=7, command='camera', **environment):
    return RosProcess(pid, command, environment)


def test_processes():
    assert told(check_processes(machine(), FAST)) == (
        'skipped: this user has no other process of ROS 2 on this machine and domain -> ')
    good = process(**{OLD: '/a'})
    assert told(check_processes(machine(ros_processes=(good, good)), FAST)) == (
        'ok: all 2 processes of ROS 2 have one -> ')
    mixed = machine(ros_processes=(good, process(8), process(9, 'rviz2', **{NEW: '/a'})))
    assert told(check_processes(mixed, FAST)) == (
        'warning: 2 of 3 processes of ROS 2 have no DDS profile: camera (8), rviz2 (9) -> start '
        f'them again with {OLD} set; the launch file of this package sets it for its own nodes '
        'only')
    elsewhere = machine(ros_processes=(process(ROS_DOMAIN_ID='5'),))
    assert check_processes(elsewhere, FAST).state.value == 'skipped'
    many = machine(ros_processes=tuple(map(process, range(5))))
    assert 'camera (2) and others' in check_processes(many, FAST).found


@pytest.mark.parametrize(('memory', 'text'), [
    (SharedMemory(8 * 10**9, 7 * 10**9), 'ok: 7,000 MB free of 8,000 MB -> '),
    (SharedMemory(67 * 10**6, 60 * 10**6), 'error: 60 MB free of 67 MB; a participant with the '
     'large-image profile takes 70 MB -> in Docker start the container with --shm-size=1g; '
     'elsewhere sudo mount -o remount,size=1G /dev/shm'),
    (SharedMemory(200 * 10**6, 150 * 10**6), 'warning: 150 MB free of 200 MB; each camera driver '
     'and node with the large-image profile takes 70 MB -> in Docker start the container with '
     '--shm-size=1g; elsewhere sudo mount -o remount,size=1G /dev/shm'),
    (None, 'error: there is none, so images go through the network stack -> in Docker start the '
     'container with --shm-size=1g; elsewhere sudo mount -o remount,size=1G /dev/shm'),
])
def test_shared_memory(memory, text):
    assert told(check_shared_memory(machine(shared_memory=memory), FAST)) == text


def test_stale_segments():
    assert told(check_stale_segments(machine(), FAST)) == 'ok: none -> '
    stale = machine(shared_memory=SharedMemory(10**9, 10**9, 2, 140_500_000))
    assert told(check_stale_segments(stale, FAST)) == (
        'warning: 2 segments of processes that were killed, 140 MB -> run fastdds shm clean, or, '
        'while nothing of ROS 2 runs, rm /dev/shm/fastrtps_*')
    assert check_stale_segments(machine(shared_memory=None), FAST).state.value == 'skipped'


def test_socket_buffers():
    small = machine(socket_buffer_bytes=212_992)
    shared, sockets = check_profile(machine(), FAST), check_profile(machine(), CYCLONE)
    assert told(check_socket_buffers(machine(), sockets)) == 'ok: 32 MiB -> '
    assert told(check_socket_buffers(small, shared)) == (
        'ok: 0.203 MiB; images of this machine go through shared memory -> ')
    for profile in (sockets, check_profile(set_up({}), FAST)):
        assert told(check_socket_buffers(small, profile)) == (
            'warning: 0.203 MiB, and images may go through sockets -> sudo sysctl -w '
            'net.core.rmem_max=33554432')
    assert check_socket_buffers(
        machine(socket_buffer_bytes=None), shared).state.value == 'skipped'
