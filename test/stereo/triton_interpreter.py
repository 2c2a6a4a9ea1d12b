# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the Triton kernels on the CPU, in a process of its own: triton_interpreter.py IN OUT.

The interpreter of Triton has to be chosen (TRITON_INTERPRET=1) before Triton is imported.
"""

import json
import sys

import numpy as np
import torch

from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties
from ldn_perception.stereo.triton_aggregation import aggregate_in_launches
from ldn_perception.stereo.triton_winners import take_winners_in_launches


def main(source, target):
    arrays = np.load(source)
    results = {}
    for name, options in json.loads(str(arrays['cases'])).items():
        first = torch.from_numpy(arrays[f'{name}/volume'])
        if 'num_paths' in options:
            results[name] = aggregate_in_launches(
                first, torch.from_numpy(arrays[f'{name}/image']),
                SmoothnessPenalties(*options['penalties']), options['num_paths']).numpy()
        else:
            results[name] = torch.stack(take_winners_in_launches(
                first, options['min_disparity'], options['uniqueness_percent'])).numpy()
    np.savez(target, **results)


if __name__ == '__main__':
    main(*sys.argv[1:])
