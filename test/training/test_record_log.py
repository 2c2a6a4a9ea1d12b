# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from ldn_perception.errors import TrainingError
from ldn_perception.training.training_files import (
    RecordLog,
    StepRecord,
    ValidationRecord,
    read_records,
)


def _step(number):
    return StepRecord(number, 0, 1e-3, 1.5, 1.25, 2.0, 0.1)


def _write(path, numbers, next_step=0):
    log = RecordLog(path, StepRecord, next_step)
    for number in numbers:
        log.add(_step(number))
    log.close()


def test_every_step_is_a_line_of_json(tmp_path):
    path = tmp_path / 'steps.jsonl'
    _write(path, range(3))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line['step'] for line in lines] == [0, 1, 2]
    assert lines[1] == {
        'step': 1, 'epoch': 0, 'learning_rate': 1e-3, 'loss': 1.5, 'main_loss': 1.25,
        'auxiliary_loss': 2.0, 'seconds': 0.1}
    assert read_records(path, StepRecord) == [_step(number) for number in range(3)]


def test_line_is_there_before_the_log_is_closed(tmp_path):
    log = RecordLog(tmp_path / 'steps.jsonl', StepRecord, 0)
    log.add(_step(0))
    assert read_records(tmp_path / 'steps.jsonl', StepRecord) == [_step(0)]
    log.close()


def test_steps_that_are_done_again_are_dropped(tmp_path):
    path = tmp_path / 'steps.jsonl'
    _write(path, range(5))
    _write(path, [3, 4, 5], next_step=3)
    assert [record.step for record in read_records(path, StepRecord)] == [0, 1, 2, 3, 4, 5]


def test_last_line_cut_off_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / 'steps.jsonl'
    _write(path, range(3))
    path.write_text(path.read_text()[:-20])
    assert [record.step for record in read_records(path, StepRecord)] == [0, 1]
    _write(path, [2], next_step=2)
    assert read_records(path, StepRecord) == [_step(number) for number in range(3)]


def test_missing_file_has_no_records(tmp_path):
    assert read_records(tmp_path / 'nothing', StepRecord) == []


def test_validations_have_lines_too(tmp_path):
    record = ValidationRecord(9, 2, 'camvid val', 0.5, 0.75)
    log = RecordLog(tmp_path / 'validation.jsonl', ValidationRecord, 0)
    log.add(record)
    log.close()
    assert read_records(tmp_path / 'validation.jsonl', ValidationRecord) == [record]


@pytest.mark.parametrize('line', ['not json', '{"epoch": 3}', '[1, 2]', '7'])
def test_other_lines_are_refused(tmp_path, line):
    path = tmp_path / 'steps.jsonl'
    path.write_text(line + '\n')
    with pytest.raises(TrainingError, match=(
            r'log .*steps.jsonl must be lines of step, epoch, learning_rate, loss, main_loss, '
            'auxiliary_loss, seconds, got .*: remove it')):
        read_records(path, StepRecord)
