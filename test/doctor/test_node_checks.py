# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from observed_system import NODE, endpoint, inputs, node, output, status, system, told
import pytest

from ldn_perception.doctor.node_checks import (
    check_diagnostics,
    check_life_cycle,
    check_node,
    check_node_inputs,
    check_outputs,
    check_throughput,
)


def test_the_node_is_there_once():
    assert told(check_node(system())) == 'ok: /stereo_seg_node -> '
    assert told(check_node(system(node=None))) == (
        'warning: there is no /stereo_seg_node -> ros2 launch ldn_perception '
        'stereo_seg.launch.py, or name the node with --namespace and --node')
    assert told(check_node(system(node=node(num_of_that_name=2)))) == (
        'error: 2 nodes are named /stereo_seg_node -> stop all but one, or give each a namespace')


@pytest.mark.parametrize(('state', 'text'), [
    ('active', 'ok: active -> '),
    ('inactive', 'error: the node is inactive -> ros2 lifecycle set /stereo_seg_node activate, '
                 'or start it with autostart:=true'),
    ('unconfigured', 'error: the node is unconfigured -> ros2 lifecycle set /stereo_seg_node '
                     'configure, or start it with autostart:=true'),
    ('', 'warning: the node did not say its state -> look whether its process hangs or works '
         'elsewhere: ros2 lifecycle get /stereo_seg_node'),
])
def test_life_cycle(state, text):
    assert told(check_life_cycle(node(state=state))) == text


def test_inputs_of_the_node():
    assert told(check_node_inputs(node(), inputs())) == (
        'ok: /left/image_rect, /right/image_rect, /left/camera_info, /right/camera_info -> ')
    elsewhere = dict(node().inputs)
    elsewhere['/zed/left'] = elsewhere.pop('/left/image_rect')
    assert told(check_node_inputs(node(inputs=elsewhere), inputs())) == (
        'error: the node does not listen to /left/image_rect, but to /left/camera_info, '
        '/right/camera_info, /right/image_rect, /zed/left -> start it with left:=, right:= and '
        'image:= of the cameras, or leave --left-camera, --right-camera and '
        '--image-name out here')
    assert told(check_node_inputs(node(inputs={}), inputs())) == (
        'skipped: the node listens to no images -> ')


def test_diagnostics():
    facts = {'model': 'ldn121_64_4', 'weights': '/w', 'device': 'cpu', 'matcher': 'sgbm'}
    assert told(check_diagnostics(node(statuses=(status(**facts),)))) == (
        'ok: running; ldn121_64_4, /w, cpu, sgbm -> ')
    assert told(check_diagnostics(node(statuses=()))).startswith(
        'warning: the node said nothing on /diagnostics -> configure it; or listen longer')
    untrained = status(level=1, message='UNTRAINED: random weights, labels mean nothing')
    assert told(check_diagnostics(node(statuses=(untrained,)))) == (
        'warning: UNTRAINED: random weights, labels mean nothing -> set model.weights to trained '
        'weights (docs/weights.md)')
    broken = status(level=2, message='/left/image_rect has no publisher: start the driver')
    assert told(check_diagnostics(node(statuses=(status(), broken)))) == (
        'error: /left/image_rect has no publisher: start the driver -> do what it says; ros2 '
        'topic echo /diagnostics follows it')


def test_outputs():
    assert told(check_outputs(node())) == 'ok: /stereo_seg_node/labels (/planner) -> '
    deaf = output('depth', endpoint('/grid'), reliability='best_effort')
    assert told(check_outputs(node(outputs=(output(), deaf)))) == (
        'error: /grid cannot hear /stereo_seg_node/depth: best effort offered, reliable asked '
        'for -> set output.reliability to reliable, or let the subscriber ask for less')
    unheard = node(outputs=node().outputs[1:])
    assert told(check_outputs(unheard)) == (
        'warning: nobody listens to a result, so the node computes none -> subscribe to one: '
        'ros2 topic hz /stereo_seg_node/overlay')
    assert told(check_outputs(node(outputs=()))) == (
        'skipped: the node publishes no results before it is configured -> ')


def throughput(*statuses):
    return check_throughput(node(statuses=statuses), inputs()[:2])


def test_throughput():
    assert told(throughput(status(0), status(4, latency_p50_ms=50, latency_p95_ms=60.4,
                                             latency_p99_ms=70))) == (
        'ok: 10.0 of 10.0 pairs/s, stamp to publish 50 / 60 / 70 ms -> ')
    assert told(throughput(status(0))) == (
        'skipped: the node said too little on /diagnostics to tell -> ')
    assert told(throughput(status(4), status(5, pairs_received=0))) == (
        'warning: the node was started anew meanwhile -> run ldn doctor again')


@pytest.mark.parametrize(('processed', 'dropped', 'text'), [
    (20, {'stale': 20}, 'warning: 5.0 of 10.0 pairs/s, 20 dropped: stale -> pairs come faster '
     'than they are worked on: take a smaller model.name, a GPU, or stereo.resolution_divisor 2'),
    (39, {'stale': 1}, 'ok: 9.8 of 10.0 pairs/s, 1 dropped: stale -> '),
    (0, {'no_subscriber': 40}, 'warning: 0.0 of 10.0 pairs/s, 40 dropped: no_subscriber -> '
     'subscribe to a result'),
    (0, {'disabled': 40}, 'warning: 0.0 of 10.0 pairs/s, 40 dropped: disabled -> ros2 service '
     f'call {NODE}/enable std_srvs/srv/SetBool "{{data: true}}"'),
    (0, {'bad_baseline': 40}, 'error: 0.0 of 10.0 pairs/s, 40 dropped: bad_baseline -> read the '
     'log of the node, which names the reason of every drop'),
    (10, {'stale': 1, 'size_mismatch': 29}, 'warning: 2.5 of 10.0 pairs/s, 29 dropped: '
     'size_mismatch, 1 dropped: stale -> read the log of the node, which names the reason of '
     'every drop'),
    (0, {}, 'error: 0.0 of 10.0 pairs/s -> look at the other rows, and at the log of the node'),
])
def test_drops(processed, dropped, text):
    before = {f'dropped__{reason}': 3 for reason in dropped}
    after = {f'dropped__{reason}': 3 + count for reason, count in dropped.items()}
    assert told(throughput(
        status(0, pairs_processed=5, **before),
        status(4, pairs_processed=5 + processed, **after))) == text
