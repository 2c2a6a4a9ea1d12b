# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Age of results when pairs arrive faster than the node processes them."""

from __future__ import annotations

import argparse

from live_node import LiveNode, rendered_pairs, report
import numpy as np

from ldn_perception.config import parse_assignments


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rate', type=float, default=30.0, help='pairs per second')
    parser.add_argument('--pairs', type=int, default=600)
    parser.add_argument('--set', action='append', default=[], dest='parameters',
                        metavar='NAME=VALUE', help='parameters of the node')
    options = parser.parse_args()
    node = LiveNode(
        ('labels', 'disparity'), rendered_pairs(1226, 370),
        {'model.name': 'ldn_small', **parse_assignments(options.parameters, '--set')})
    node.settle_engine()
    node.send_at(options.rate, options.pairs)
    node.spin_for(2.5)
    ages_ms = np.array([(heard - stamp) / 1e6 for stamp, heard in node.results])[5:]
    heard_ns = np.array([heard for _, heard in node.results])[5:]
    processing_ms = sum(
        value for name, value in node.stage_ms().items() if name != 'wait')
    between_ms = np.diff(heard_ns) / 1e6
    half = len(ages_ms) // 2
    report('result_age', {
        'engine': node.diagnostics['engine'],
        'rate in [Hz]': options.rate,
        'pairs sent': options.pairs,
        'results': len(node.results),
        'dropped as stale': node.diagnostics.get('dropped.stale', '0'),
        'processing time, median [ms]': processing_ms,
        'time between results, 99th percentile [ms]': float(np.percentile(between_ms, 99)),
        'age when heard, median [ms]': float(np.median(ages_ms)),
        'age when heard, 99th percentile [ms]': float(np.percentile(ages_ms, 99)),
        'age when heard, largest [ms]': float(ages_ms.max()),
        'bound: 2 x processing + 50 [ms]': 2 * processing_ms + 50,
        'results above the bound': int((ages_ms > 2 * processing_ms + 50).sum()),
        'second half / first half of the ages': float(
            np.median(ages_ms[half:]) / np.median(ages_ms[:half])),
    })
    node.close()


if __name__ == '__main__':
    main()
