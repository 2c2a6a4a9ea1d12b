# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Memory growth of the node over 2,000 pairs, with every result received."""

from __future__ import annotations

import argparse

from live_node import LiveNode, rendered_pairs, report

_SETTLED = 200  # pairs until allocators and caches are warm


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pairs', type=int, default=2000)
    options = parser.parse_args()
    node = LiveNode(
        ('labels', 'ood_mask', 'foreign_probability', 'confidence', 'labels_color', 'overlay',
         'disparity', 'depth'), rendered_pairs(640, 320),
        {'model.name': 'ldn_small', 'stereo.max_disparity': 64})
    memory: list[float] = []
    node.send_one_by_one(options.pairs, lambda index: memory.append(node.resident_mb()))
    settled = memory[_SETTLED:]
    report('node_memory', {
        'pairs': options.pairs,
        'resident after the first pair [MB]': memory[0],
        f'resident after {_SETTLED} pairs [MB]': settled[0],
        'resident at the end [MB]': settled[-1],
        'largest minus smallest since then [MB]': max(settled) - min(settled),
    })
    node.close()


if __name__ == '__main__':
    main()
