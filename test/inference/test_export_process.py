# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path
import sys
import threading
import time

import pytest

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import ImageSize
from ldn_perception.inference.exports import LOW_PRIORITY, ExportProcess

SIZE = ImageSize(160, 96)
LIMIT_S = 30.0


def process(program, *arguments, **options):
    return ExportProcess(
        Path('w.safetensors'), {'precision': 'float32', 'num-threads': '2'},
        command=(sys.executable, '-c', program, *arguments), **options)


def test_the_export_gets_its_arguments_and_a_low_priority(tmp_path):
    niceness = min(19, os.nice(0) + LOW_PRIORITY)
    program = (
        'import os, sys, time; '
        'deadline = time.monotonic() + 20\n'  # its priority is set when it runs already
        f'while os.nice(0) < {niceness} and time.monotonic() < deadline: '
        'time.sleep(0.01)\n'
        'open(sys.argv[1], "w").write(f"{os.nice(0)} {sys.argv[2:]}")')
    process(program, str(tmp_path / 'told')).export('openvino', SIZE)
    assert (tmp_path / 'told').read_text() == f'{niceness} ' + str([
        '--weights', 'w.safetensors', '--precision', 'float32', '--num-threads', '2', '--engine',
        'openvino', '--size', '160x96'])


def test_an_export_that_is_waited_for_has_the_priority_of_this_process(tmp_path):
    program = 'import os, sys; open(sys.argv[1], "w").write(str(os.nice(0)))'
    process(program, str(tmp_path / 'told'), niceness=0).export('openvino', SIZE)
    assert (tmp_path / 'told').read_text() == str(os.nice(0))


@pytest.mark.parametrize(('program', 'got'), [
    ('import sys; print("one\\n\\ntwo"); print("three", file=sys.stderr); sys.exit(3)',
     r'exit code 3, (one / two / three|three / one / two)'),
    ('import sys; print("\\n".join("abcdefg")); sys.exit(1)', 'exit code 1, c / d / e / f / g'),
    ('import os; os.kill(os.getpid(), 9)', 'exit code -9, nothing printed'),
])
def test_a_failure_tells_the_last_lines(program, got):
    with pytest.raises(InferenceError, match=(
            'ldn export for openvino and 160x96 must be done without an error, got '
            f'{got}: do what it says, or set inference.engine to torch')):
        process(program).export('openvino', SIZE)


def test_an_export_can_be_stopped(tmp_path):
    marker = tmp_path / 'began'
    export = process(
        'import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)',
        str(marker))
    errors = []

    def run():
        try:
            export.export('openvino', SIZE)
        except InferenceError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + LIMIT_S
    while not marker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    export.stop()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert 'exit code -15' in errors[0]
    with pytest.raises(InferenceError, match='exit code -15'):
        export.export('openvino', SIZE)  # no other one begins
