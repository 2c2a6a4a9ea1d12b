# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the learning rate falls."""

import math


def cosine_learning_rate(
    epoch: int, num_epochs: int, largest: float, smallest: float
) -> float:
    """Learning rate of an epoch, constant within it.

    Args:
        epoch: Number of epochs done, from 0.
        num_epochs: Length of the training.
        largest: Rate of the first epoch.
        smallest: Rate that is neared towards the end.

    Source: thesis equation 4.1.
    """
    return smallest + (largest - smallest) / 2 * (1 + math.cos(math.pi * epoch / num_epochs))
