# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rig import plane, running
import torch

SECOND = 10**9


def poison(model):
    """Put a NaN into the first weight of a network."""
    weights = next(iter(model.parameters()))
    with torch.no_grad():
        weights[(0,) * weights.ndim] = math.nan


def test_diagnostics_are_an_error_with_the_count_whoever_listens():
    with running(
            ('labels',), inference__engine='torch', ood_alarm__raise_above=1.0,
            monitoring__diagnostics_period_s=0.1) as rig:
        poison(rig.node._perception.pipeline.engine._model)
        rig.send(SECOND)
        rig.spin_until_processed(1)
        text = 'non-finite network output: 15360 pixels'
        rig.spin_until(
            lambda: any(text in entry.status[0].message for entry in rig.diagnostics), text)
        status = next(
            entry.status[0] for entry in rig.diagnostics if text in entry.status[0].message)
        assert status.level == DiagnosticStatus.ERROR
        values = {entry.key: entry.value for entry in status.values}
        assert values['non_finite.results'] == '1'
        assert values['non_finite.pixels'] == '15360'
        assert (plane(rig.received['labels'][0], np.uint8) == 255).all()
