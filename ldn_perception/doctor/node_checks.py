# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the node: state, inputs, outputs, diagnostics and throughput."""

from __future__ import annotations

from ldn_perception.doctor.observations import (
    Finding,
    InputTopic,
    NodeObservation,
    Observations,
    OutputTopic,
    Status,
    error,
    ok,
    skipped,
    warning,
)
from ldn_perception.doctor.timing_checks import period_s
from ldn_perception.doctor.topic_checks import qos_mismatch

_KEEPS_UP = 0.9
_DROPPED = 'dropped.'
_CURES = {
    'stale': 'pairs come faster than they are worked on: take a smaller model.name, a GPU, or '
    'stereo.resolution_divisor 2',
    'no_subscriber': 'subscribe to a result',
    'disabled': 'ros2 service call {node}/enable std_srvs/srv/SetBool "{{data: true}}"',
    'stamp_jump': 'that is right for a bag that loops; else synchronise the clocks',
}
_OTHER_CURE = 'read the log of the node, which names the reason of every drop'


def check_node(observations: Observations) -> Finding:
    """Check that exactly one node has the name."""
    check, node = 'node', observations.node
    if node is None:
        return warning(
            check, f'there is no {observations.node_name}',
            'ros2 launch ldn_perception stereo_seg.launch.py, or name the node with --namespace '
            'and --node')
    if node.num_of_that_name > 1:
        return error(
            check, f'{node.num_of_that_name} nodes are named {node.name}',
            'stop all but one, or give each a namespace')
    return ok(check, node.name)


def check_life_cycle(node: NodeObservation) -> Finding:
    """Check that the node is active."""
    check = 'life cycle'
    if not node.state:
        return warning(
            check, 'the node did not say its state',
            f'look whether its process hangs or works elsewhere: ros2 lifecycle get {node.name}')
    if node.state != 'active':
        step = 'activate' if node.state == 'inactive' else 'configure'
        return error(
            check, f'the node is {node.state}',
            f'ros2 lifecycle set {node.name} {step}, or start it with autostart:=true')
    return ok(check, 'active')


def check_node_inputs(node: NodeObservation, inputs: tuple[InputTopic, ...]) -> Finding:
    """Check that the node subscribes to the observed topics."""
    check = 'inputs of the node'
    if not node.inputs:
        return skipped(check, 'the node listens to no images')
    deaf = [topic.topic for topic in inputs if topic.topic not in node.inputs]
    if deaf:
        return error(
            check, f'the node does not listen to {", ".join(deaf)}, but to '
            f'{", ".join(sorted(node.inputs))}',
            'start it with left:=, right:= and image:= of the cameras, or leave --left-camera, '
            '--right-camera and --image-name out here')
    return ok(check, ', '.join(topic.topic for topic in inputs))


def check_diagnostics(node: NodeObservation) -> Finding:
    """Report the last status of the node on /diagnostics."""
    check = 'diagnostics'
    if not node.statuses:
        return warning(
            check, 'the node said nothing on /diagnostics',
            'configure it; or listen longer than its monitoring.diagnostics_period_s: '
            'ldn doctor --seconds 20')
    status = node.statuses[-1]
    if status.level == 0:
        return ok(check, f'{status.message}; {_identity(status)}')
    report = warning if status.level == 1 else error
    if status.message.startswith('UNTRAINED') and ';' not in status.message:
        return report(
            check, status.message, 'set model.weights to trained weights (docs/weights.md)')
    return report(
        check, status.message, 'do what it says; ros2 topic echo /diagnostics follows it')


def _identity(status: Status) -> str:
    keys = ('model', 'weights', 'device', 'matcher')
    return ', '.join(status.values[key] for key in keys if key in status.values)


def check_outputs(node: NodeObservation) -> Finding:
    """Check that results have subscribers with compatible QoS."""
    check = 'outputs'
    if not node.outputs:
        return skipped(check, 'the node publishes no results before it is configured')
    for output in node.outputs:
        for subscriber in output.subscribers:
            mismatch = qos_mismatch(output.publisher, subscriber)
            if mismatch:
                return error(
                    check, f'{subscriber.node} cannot hear {output.topic}: {mismatch}',
                    'set output.reliability to reliable, or let the subscriber ask for less')
    heard = [output for output in node.outputs if output.subscribers]
    if not heard:
        return warning(
            check, 'nobody listens to a result, so the node computes none',
            f'subscribe to one: ros2 topic hz {node.outputs[0].topic}')
    return ok(check, ', '.join(map(_audience, heard)))


def _audience(output: OutputTopic) -> str:
    return f'{output.topic} ({", ".join(sorted({entry.node for entry in output.subscribers}))})'


def check_throughput(node: NodeObservation, images: tuple[InputTopic, ...]) -> Finding:
    """Compare the rate of processed pairs with that of the input."""
    check = 'throughput'
    if len(node.statuses) < 2:
        return skipped(check, 'the node said too little on /diagnostics to tell')
    first, last = node.statuses[0], node.statuses[-1]
    seconds = (last.received_ns - first.received_ns) / 1e9
    if int(last.values.get('pairs_received', 0)) < int(first.values.get('pairs_received', 0)):
        return warning(check, 'the node was started anew meanwhile', 'run ldn doctor again')
    processed = _grown(first, last, 'pairs_processed')
    dropped = {
        key.removeprefix(_DROPPED): _grown(first, last, key)
        for key in sorted(last.values) if key.startswith(_DROPPED)}
    dropped = {reason: count for reason, count in dropped.items() if count}
    rate_hz = 1 / period_s(images[0]) if len(images[0].stamps_ns) > 1 else 0.0
    found = f'{processed / seconds:.1f} of {rate_hz:.1f} pairs/s{_latency(last)}' + ''.join(
        f', {count} dropped: {reason}' for reason, count in dropped.items())
    if dropped and processed < _KEEPS_UP * (processed + sum(dropped.values())):
        reason = max(dropped, key=dropped.__getitem__)
        report = warning if processed or reason in ('no_subscriber', 'disabled') else error
        return report(check, found, _CURES.get(reason, _OTHER_CURE).format(node=node.name))
    if rate_hz and not processed:
        return error(check, found, 'look at the other rows, and at the log of the node')
    return ok(check, found)


def _grown(first: Status, last: Status, key: str) -> int:
    return int(last.values.get(key, 0)) - int(first.values.get(key, 0))


def _latency(status: Status) -> str:
    latencies = [status.values.get(f'latency_{name}_ms') for name in ('p50', 'p95', 'p99')]
    if None in latencies:
        return ''
    return f', stamp to publish {" / ".join(f"{float(text or 0):.0f}" for text in latencies)} ms'
