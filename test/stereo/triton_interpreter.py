# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the Triton kernels on the CPU, in a process of its own: triton_interpreter.py IN OUT.

The interpreter of Triton has to be chosen (TRITON_INTERPRET=1) before Triton is imported.
"""

import json
import sys

import numpy as np
import torch

from ldn_perception.stereo.matching_costs import CostShares
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties
from ldn_perception.stereo.torch_aggregation import Described
from ldn_perception.stereo.triton_kernels import (
    aggregate_in_launches,
    compare_in_launch,
    median_in_launch,
    take_winners_in_launches,
)


def aggregate(tensors, penalties, num_paths):
    return aggregate_in_launches(*tensors, SmoothnessPenalties(*penalties), num_paths)


def take_winners(tensors, min_disparity, uniqueness_percent):
    return torch.stack(take_winners_in_launches(*tensors, min_disparity, uniqueness_percent))


def compare(tensors, shares, min_disparity, num_disparities, outside_cost):
    images = [Described(*image, *[None] * (2 - len(image)))
              for image in (tensors[::2], tensors[1::2])]
    return compare_in_launch(
        *images, CostShares(*shares), min_disparity, num_disparities, outside_cost)


def smooth(tensors, side_px):
    return median_in_launch(*tensors, side_px)


STEPS = {'aggregate': aggregate, 'take_winners': take_winners, 'compare': compare,
         'smooth': smooth}


def main(source, target):
    arrays = np.load(source)
    results = {}
    for name, (step, options) in json.loads(str(arrays['cases'])).items():
        tensors = [torch.from_numpy(arrays[f'{name}/{number}'])
                   for number in range(options.pop('num_arrays'))]
        results[name] = STEPS[step](tensors, **options).numpy()
    np.savez(target, **results)


if __name__ == '__main__':
    main(*sys.argv[1:])
