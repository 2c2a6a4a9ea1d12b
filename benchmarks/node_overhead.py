# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Overhead of the node per pair, at 1226x370, with labels and mask subscribed."""

from __future__ import annotations

import argparse
from pathlib import Path

from live_node import LiveNode, rendered_pairs, report
import numpy as np

from ldn_perception.config import parse_assignments


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pairs', type=int, default=150)
    parser.add_argument('--rate', type=float, default=4.0, help='pairs per second')
    parser.add_argument('--taxonomy', default='universal')
    parser.add_argument('--model', default='ldn121_64_4')
    parser.add_argument('--weights', default='shipped', help='see model.weights')
    parser.add_argument('--set', action='append', default=[], dest='parameters',
                        metavar='NAME=VALUE', help='other parameters of the node')
    options = parser.parse_args()
    node = LiveNode(('labels', 'ood_mask'), rendered_pairs(1226, 370), {
        'model.name': options.model, 'model.taxonomy': options.taxonomy,
        'model.weights': options.weights,
        **parse_assignments(options.parameters, '--set')})
    node.settle_engine()
    node.send_at(options.rate, options.pairs)
    node.spin_for(2.5)
    stages = node.stage_ms()
    ages = [(heard - stamp) / 1e6 for stamp, heard in node.results]
    overhead = {name: value for name, value in stages.items()
                if name not in ('disparity', 'network')}
    report('node_overhead', {
        'results': len(node.results),
        'classes': options.taxonomy,
        'weights': Path(node.diagnostics['weights']).name,
        'engine': node.diagnostics['engine'],
        **{f'{name} (median) [ms]': value for name, value in stages.items()},
        'overhead: all but disparity and network [ms]': sum(overhead.values()),
        'of it decode [ms]': overhead['decode'],
        'stamp to heard by a subscriber, median [ms]': float(np.median(ages)),
    })
    node.close()


if __name__ == '__main__':
    main()
