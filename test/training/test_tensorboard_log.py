# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from ldn_perception.errors import TrainingError
from ldn_perception.training.training_files import StepRecord, TensorBoardLog, ValidationRecord


def test_events_hold_the_losses_and_scores(tmp_path):
    accumulators = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator')
    log = TensorBoardLog(tmp_path, 0)
    for step in range(3):
        log.add_step(StepRecord(step, 0, 1e-3, 1.0 + step, 2.0, 3.0, 0.1))
    log.add_validation(ValidationRecord(2, 1, 'camvid val', 0.5, 0.75))
    log.close()
    events = accumulators.EventAccumulator(str(tmp_path)).Reload()
    losses = events.Scalars('training/loss')
    assert [(event.step, event.value) for event in losses] == [(0, 1), (1, 2), (2, 3)]
    assert events.Scalars('training/learning_rate')[0].value == pytest.approx(1e-3)
    assert events.Scalars('validation/camvid_val/mean_iou')[0].value == 0.5
    assert events.Scalars('validation/camvid_val/pixel_accuracy')[0].step == 2


def test_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, 'torch.utils.tensorboard', raising=False)
    monkeypatch.setitem(sys.modules, 'tensorboard', None)
    with pytest.raises(TrainingError, match=(
            r'tensorboard must be installed where a recipe asks for it, got .*: pip install '
            'tensorboard, or set tensorboard: false')):
        TensorBoardLog(tmp_path, 0)
