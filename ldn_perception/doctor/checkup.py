# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sequence of all checks, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator

from ldn_perception.config import PerceptionConfig, options
from ldn_perception.doctor import (
    machine_checks,
    node_checks,
    timing_checks,
    topic_checks,
    transport_checks,
)
from ldn_perception.doctor import topic_checks as calibration_checks
from ldn_perception.doctor.machine_checks import FAST_DDS, Machine
from ldn_perception.doctor.observations import Finding, Observations, error_of, ok, warning
from ldn_perception.errors import ConfigError


def config_of_the_node(observations: Observations | None) -> PerceptionConfig | None:
    """Configuration of the running node; None if there is no node or it did not answer.

    Raises:
        ConfigError: Its parameters contradict each other.
    """
    if observations is None or observations.node is None or not observations.node.parameters:
        return None
    known = {option.name for option in options()}
    return PerceptionConfig.from_values({
        name: value for name, value in observations.node.parameters.items() if name in known})


def check_machine(
    machine: Machine, observations: Observations | None, config: PerceptionConfig,
) -> Iterator[Finding]:
    """Run the checks that need no running system.

    Args:
        machine: This machine.
        observations: Observations; None if ROS 2 could not be queried.
        config: Configuration of the node.
    """
    middleware = (
        machine.environment.get('RMW_IMPLEMENTATION') or f'{FAST_DDS}_cpp'
        if observations is None else observations.middleware)
    yield machine_checks.check_versions(machine)
    yield machine_checks.check_ros(machine)
    yield machine_checks.check_messages(
        machine, None if observations is None else observations.message_problem)
    yield machine_checks.check_gpu(machine.gpus, config.inference)
    yield machine_checks.check_bfloat16(machine, config.inference)
    yield machine_checks.check_weights(machine, config.model)
    yield machine_checks.check_log_directory(machine)
    yield machine_checks.check_domain(machine)
    yield machine_checks.check_discovery(machine)
    profile = transport_checks.check_profile(machine, middleware)
    yield profile
    yield transport_checks.check_processes(machine, middleware)
    yield transport_checks.check_shared_memory(machine, middleware)
    yield transport_checks.check_stale_segments(machine, middleware)
    yield transport_checks.check_socket_buffers(machine, profile)


def check_live(observations: Observations, config: PerceptionConfig) -> Iterator[Finding]:
    """Check a running system.

    Args:
        observations: Observations of the system.
        config: Configuration of the node.
    """
    if observations.is_nothing_there:
        yield topic_checks.check_system(observations)
        return
    node = observations.node
    uses_sim_time = None if node is None else node.parameters.get('use_sim_time')
    for topic in observations.inputs:
        yield topic_checks.check_input(topic, observations, config.input)
    yield timing_checks.check_rates(observations)
    yield timing_checks.check_lost(observations)
    yield timing_checks.check_pair_stamps(observations, config.input)
    for side in ('left', 'right'):
        yield timing_checks.check_info_stamps(observations, side, config.input)
    yield timing_checks.check_stamps(observations, bool(uses_sim_time))
    yield timing_checks.check_clock(observations, uses_sim_time)
    yield calibration_checks.check_calibration(observations)
    yield calibration_checks.check_image_sizes(observations)
    yield calibration_checks.check_raw_calibration(observations)
    yield calibration_checks.check_pair(observations)
    yield node_checks.check_node(observations)
    if node is None:
        return
    yield _check_parameters(observations)
    yield node_checks.check_life_cycle(node)
    yield node_checks.check_node_inputs(node, observations.inputs)
    yield node_checks.check_diagnostics(node)
    yield node_checks.check_outputs(node)
    yield node_checks.check_throughput(node, observations.images)


def _check_parameters(observations: Observations) -> Finding:
    assert observations.node is not None
    check = 'parameters'
    try:
        config = config_of_the_node(observations)
    except ConfigError as problem:
        return error_of(check, str(problem))
    if config is None:
        return warning(
            check, 'the node did not say them; the defaults are taken here',
            f'look whether its process hangs: ros2 param dump {observations.node_name}')
    defaults = PerceptionConfig().to_values()
    changed = [
        f'{name}={value}' for name, value in config.to_values().items() if value != defaults[name]]
    return ok(check, ', '.join(changed) or 'all at their defaults')
