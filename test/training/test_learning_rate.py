# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.training.trainer import cosine_learning_rate


@pytest.mark.parametrize(('epochs', 'largest', 'smallest'), [
    (300, 4e-4, 1e-7), (24, 1e-3, 0.0), (1, 0.1, 0.01)])
def test_rate_of_every_epoch_is_that_of_torchs_schedule(epochs, largest, smallest):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=largest)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, smallest)
    for epoch in range(epochs):
        assert cosine_learning_rate(epoch, epochs, largest, smallest) == pytest.approx(
            optimizer.param_groups[0]['lr'], rel=1e-9, abs=1e-15)
        optimizer.step()
        schedule.step()


def test_rate_starts_at_the_largest_and_is_halved_in_the_middle():
    assert cosine_learning_rate(0, 10, 0.5, 0.1) == pytest.approx(0.5)
    assert cosine_learning_rate(5, 10, 0.5, 0.1) == pytest.approx(0.3)
