# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Latency of service calls and shutdown of the node under the load of a heavy network."""

from __future__ import annotations

import signal
import time

from live_node import LiveNode, rendered_pairs, report
import numpy as np


def main() -> None:
    """Run the benchmark."""
    parameters = {'model.name': 'ldn121'}
    node = LiveNode(('labels',), rendered_pairs(1226, 370), parameters)
    answers_ms = measure_answers(node)
    inference_ms = node.stage_ms()['network']
    node.close()
    endings_s = {}
    for name in ('SIGINT', 'SIGTERM'):
        node = LiveNode(('labels',), rendered_pairs(1226, 370), {'model.name': 'scale_invariant'})
        node.send_at(10, 20)
        started = time.monotonic()
        node.process.process.send_signal(getattr(signal, name))
        code = node.process.process.wait()
        endings_s[f'{name} in an inference of scale_invariant to the end [s]'] = (
            time.monotonic() - started)
        endings_s[f'{name} exit code'] = code
        node.close()
    report('responsiveness', {
        'network in work: ldn121, median [ms]': inference_ms,
        'answers': len(answers_ms),
        'answer of ~/enable and set_parameters, median [ms]': float(np.median(answers_ms)),
        'answer of ~/enable and set_parameters, largest [ms]': float(max(answers_ms)),
        **endings_s,
    })


def measure_answers(node: LiveNode) -> list[float]:
    """Latency of service calls while pairs arrive at 30 Hz [ms]."""
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter
    from std_srvs.srv import SetBool

    parameter = Parameter('segmentation.ood_threshold', value=0.4).to_parameter_msg()
    calls = [
        (node.tester.create_client(SetBool, '/stereo_seg_node/enable'),
         SetBool.Request(data=True)),
        (node.tester.create_client(SetParameters, '/stereo_seg_node/set_parameters'),
         SetParameters.Request(parameters=[parameter])),
    ]
    for client, _ in calls:
        node.spin_until(client.service_is_ready)
    node.send_at(30, 30)
    answers_ms = []
    for index in range(100):
        node.send()
        client, request = calls[index % 2]
        started = time.monotonic()
        future = client.call_async(request)
        node.spin_until(future.done)
        answers_ms.append((time.monotonic() - started) * 1e3)
        node.spin_for(1 / 30)
    node.spin_for(2.0)
    return answers_ms


if __name__ == '__main__':
    main()
