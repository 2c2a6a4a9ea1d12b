# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from observed_system import input_topic, inputs, machine, node, status, system, told
import pytest

from ldn_perception.config import PerceptionConfig
from ldn_perception.doctor.checkup import check_live, check_machine, config_of_the_node
from ldn_perception.doctor.observations import State, error_of, observations_from_json
from ldn_perception.errors import ConfigError

CONFIG = PerceptionConfig()


def states(findings):
    return {finding.check: finding.state.value for finding in findings}


def test_a_healthy_machine_and_system_have_neither_errors_nor_warnings():
    findings = [*check_machine(machine(), system(), CONFIG), *check_live(system(), CONFIG)]
    assert {finding.state for finding in findings} == {State.OK, State.SKIPPED}
    assert {finding.check for finding in findings if finding.state is State.SKIPPED} == {
        'profile of processes', 'calibration of raw images'}


def test_every_finding_that_is_not_well_says_what_to_do_and_no_other_does():
    silent = system(inputs=inputs(left_image=input_topic('left_image', ())), pair=None)
    for observed in (system(), system(node=None), silent):
        for finding in check_live(observed, CONFIG):
            is_wrong = finding.state in (State.WARNING, State.ERROR)
            assert bool(finding.advice) == is_wrong, finding


def test_the_checks_have_different_names():
    names = [finding.check for finding in (
        *check_machine(machine(), system(), CONFIG), *check_live(system(), CONFIG))]
    assert len(names) == len(set(names)) == 36


def test_a_machine_without_a_running_system():
    found = states(check_machine(machine(), None, CONFIG))
    assert found['ROS 2 messages'] == 'skipped'
    assert found['DDS profile'] == 'ok'
    cyclone = machine(environment={'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'})
    assert states(check_machine(cyclone, None, CONFIG))['DDS profile'] == 'skipped'


def test_nothing_there_is_one_row():
    nothing = system(node=None, inputs=tuple(
        input_topic(entry.role, (), publishers=()) for entry in inputs()))
    assert states(check_live(nothing, CONFIG)) == {'live system': 'skipped'}


def test_cameras_without_a_node_are_checked():
    found = states(check_live(system(node=None), CONFIG))
    assert found['node'] == 'warning'
    assert found['stamps of the pair'] == 'ok'
    assert 'life cycle' not in found


def test_parameters_of_the_node_are_told():
    changed = node(parameters={**node().parameters, 'input.slop_s': 0.05})
    finding = next(entry for entry in check_live(system(node=changed), CONFIG)
                   if entry.check == 'parameters')
    assert told(finding) == 'ok: input.slop_s=0.05 -> '
    silent = next(entry for entry in check_live(system(node=node(parameters={})), CONFIG)
                  if entry.check == 'parameters')
    assert told(silent) == (
        'warning: the node did not say them; the defaults are taken here -> look whether its '
        'process hangs: ros2 param dump /stereo_seg_node')


def test_parameters_that_contradict_each_other_are_an_error():
    wrong = system(node=node(parameters={**node().parameters, 'stereo.max_disparity': 100}))
    with pytest.raises(ConfigError, match=r'stereo\.max_disparity must be'):
        config_of_the_node(wrong)
    finding = next(entry for entry in check_live(wrong, CONFIG) if entry.check == 'parameters')
    assert finding.state is State.ERROR
    assert finding.advice == 'round it to the next such value'


def test_the_configuration_is_that_of_the_node():
    sim = node(parameters={'use_sim_time': True, 'input.reliability': 'reliable'})
    assert config_of_the_node(system(node=sim)).input.reliability == 'reliable'
    assert config_of_the_node(None) is None
    assert config_of_the_node(system(node=None)) is None
    assert states(check_live(system(node=sim), CONFIG))['/clock'] == 'error'


def test_observations_pass_through_json_unharmed():
    rich = system(
        clock_publishers=('/player',), clock_ns=(1, 2), clock_received_ns=(3, 4),
        node=replace(node(), statuses=(status(1, level=1, dropped__stale=3),)))
    assert observations_from_json(rich.to_json()) == rich
    bare = system(node=None, pair=None)
    assert observations_from_json(bare.to_json()) == bare


def test_a_sentence_without_advice_is_kept_whole():
    assert told(error_of('a', 'no colon here')) == (
        'error: no colon here -> read the log of the node')
