# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The hooks before a commit and a push run what continuous integration runs."""

import ast
from pathlib import Path
import re

import yaml

ROOT = Path(__file__).resolve().parents[1]
HOOKS = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']


def prerequisites():
    """Targets of the Makefile and what each needs first."""
    rules = re.findall(r'^([a-z]+):([a-z ]*)', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    return {target: needed.split() for target, needed in rules}


def test_ci_runs_the_tests_and_before_them_what_the_hooks_run():
    assert (ROOT / '.ci/run').read_text().splitlines()[-1] == 'exec make test'
    assert prerequisites()['test'] == prerequisites()['check'] == ['lint']


def test_hooks_are_targets_of_the_makefile_and_need_no_network():
    assert [repository['repo'] for repository in HOOKS] == ['local']
    hooks = HOOKS[0]['hooks']
    assert {hook['entry'] for hook in hooks} == {'make lint', 'make check'}
    for hook in hooks:
        assert hook['language'] == 'system'
        assert hook['entry'].removeprefix('make ') in prerequisites()


def test_the_fast_tests_are_a_part_of_all():
    script = (ROOT / '.ci/tests.sh').read_text()
    assert "-m 'not ros and not ray and not slow'" in script
    assert "-m 'not ros and not ray'" in script


def test_files_that_are_called_slow_are_there():
    tree = ast.parse((ROOT / 'test/conftest.py').read_text())
    slow, = (
        ast.literal_eval(node.value) for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_SLOW')
    assert slow
    assert all((ROOT / 'test' / name).is_file() for name in slow)
