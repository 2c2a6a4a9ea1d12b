# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One grammar for all verbs, and for every command line in the documentation."""

import argparse
from collections import defaultdict
import errno
import os
from pathlib import Path
import re
import shlex
import subprocess

from evaluation.tiny_drives import stamps, write_drive
import pytest

from ldn_perception.cli import options
from ldn_perception.cli.main import GROUPS, VERBS, build_parser, load_verb, main

ROOT = Path(__file__).parents[2]
READERS = {'weights list', 'weights show', 'models', 'parameters'}
"""Verbs that write nothing."""
GONE = {
    'train-stereo': 'train', 'complexity': 'models', 'calibrate-ood': 'weights calibrate-ood',
    'correct-prior': 'weights correct-prior', 'average': 'weights average',
    'convert': 'weights convert',
}
"""Name of a verb of an earlier version -> name now."""
GONE_OPTIONS = {
    'train': ('--config',), 'evaluate': ('--root',), 'weights calibrate-ood': ('--root',),
    'demo': ('--images', '--bag', '--rate'), 'doctor': ('--params-file', '--json', '--left'),
    'view': ('--left',), 'export': ('--cache',), 'synthesize': ('--width', '--height'),
}
COMMAND = re.compile(r'^ *(?:ros2 run ldn_perception )?(ldn .*)$')


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope='module')
def parsers():
    """Parser of every verb by name."""
    return {name: build_parser(name.split())[1][name] for name in VERBS}


def options_of(parser):
    return [action for action in parser.declared
            if action.option_strings and action.dest != 'help']


@pytest.fixture(scope='module')
def text_files():
    """Text of all files of the repository but this one and the history of names."""
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
        capture_output=True, text=True, check=False).stdout.split('\n')
    if listed == ['']:
        pytest.skip('not a git checkout')
    found = {}
    for name in listed:
        path = ROOT / name
        if path.is_file() and path not in (Path(__file__), ROOT / 'CHANGELOG.rst'):
            try:
                found[name] = path.read_text()
            except UnicodeDecodeError:
                continue
    return found


def test_an_option_is_the_same_in_every_verb(parsers):
    found = defaultdict(set)
    for parser in parsers.values():
        for action in options_of(parser):
            found[action.dest].add((tuple(action.option_strings), action.metavar, action.help))
    assert {dest: forms for dest, forms in found.items() if len(forms) > 1} == {}
    flags = [form[0] for forms in found.values() for form in forms]
    assert len(flags) == len(set(flags))
    assert set(options.ORDER) <= set(found)


def test_shared_options_come_first_and_in_one_order(parsers):
    for name, parser in parsers.items():
        found = [action.dest for action in options_of(parser)]
        assert options.in_order(found), name
        own = [dest not in options.ORDER for dest in found]
        assert own == sorted(own), name


def test_every_argument_is_described(parsers):
    for name, parser in parsers.items():
        for action in parser.declared:
            assert action.help, (name, action.dest)
            takes_value = action.nargs != 0
            assert not takes_value or action.metavar, (name, action.dest)


def test_verbs_that_write_take_an_output(parsers):
    for name, parser in parsers.items():
        has_output = any(action.dest == 'output' for action in options_of(parser))
        assert has_output == (name not in READERS), name


def test_inputs_are_positional(parsers):
    found = {name: [action.metavar for action in parser.declared if not action.option_strings]
             for name, parser in parsers.items()}
    assert {name: inputs for name, inputs in found.items() if inputs} == {
        'predict': ['SOURCE'], 'replay': ['BAG'], 'demo': ['SOURCE'], 'view': ['BAG'],
        'evaluate-stereo': ['FOLDER'], 'weights show': ['NAME|FILE'],
        'weights convert': ['CHECKPOINT'], 'weights average': ['NAME|FILE'],
        'weights correct-prior': ['NAME|FILE'], 'weights calibrate-ood': ['NAME|FILE']}


@pytest.mark.parametrize('name', VERBS)
def test_help_has_an_example_that_parses(name, parsers, capsys):
    example = load_verb(name).EXAMPLE
    assert example.startswith(f'ldn {name}')
    assert '\n' not in example
    parsers[name].parse_args(shlex.split(example)[1 + len(name.split()):])
    assert run(*name.split(), '--help') == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f'usage: ldn {name} ')
    assert printed.endswith(f'example:\n  {example}\n')


def test_help_groups_the_verbs(capsys):
    assert run('--help') == 0
    printed = capsys.readouterr().out
    for heading, verbs in GROUPS.items():
        block = printed.partition(f'\n{heading}:\n')[2].partition('\n\n')[0]
        assert [line.split('  ')[1] for line in block.splitlines()] == list(verbs)
    assert run('weights', '--help') == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in GROUPS['weights'])


@pytest.mark.parametrize(('arguments', 'text'), [
    ([], 'ldn: error: the following arguments are required: VERB'),
    (['weights'], 'ldn weights: error: the following arguments are required: ACTION'),
    (['evalute'], 'ldn: error: unknown verb evalute: did you mean evaluate? `ldn --help` lists'),
    (['zzz'], 'ldn: error: unknown verb zzz: `ldn --help` lists them'),
    (['weights', 'shwo'], 'unknown verb weights shwo: did you mean weights show? `ldn weights'),
    (['parameters', '--xyz'],
     'ldn parameters: error: unknown option --xyz: `ldn parameters --help`'),
    (['weights', 'list', 'all'], 'ldn: error: unrecognized arguments: all'),
    (['doctor', '--ouput=x'],
     'ldn doctor: error: unknown option --ouput: did you mean --output? `ldn doctor --help`'),
    (['doctor', '--out', 'x'], 'ldn doctor: error: unknown option --out: did you mean --output?'),
])
def test_unknown_names_are_exit_code_2_with_advice(arguments, text, capsys):
    assert run(*arguments) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('name', GONE)
def test_names_of_earlier_versions_are_unknown(name, capsys):
    assert run(name) == 2
    assert f'unknown verb {name}: ' in capsys.readouterr().err


@pytest.mark.parametrize('name', GONE_OPTIONS)
def test_options_of_earlier_versions_are_unknown(name, parsers, capsys):
    known = [flag for action in parsers[name].declared for flag in action.option_strings]
    assert not set(GONE_OPTIONS[name]) & set(known)
    assert run(*name.split(), GONE_OPTIONS[name][0], 'x') == 2
    assert f'ldn {name}: error: unknown option {GONE_OPTIONS[name][0]}' in capsys.readouterr().err


@pytest.mark.parametrize(('error', 'text'), [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'out/a.png'),
     'file out/a.png cannot be read or written, No space left on device: check the path, its'),
    (OSError(errno.EROFS, os.strerror(errno.EROFS)),
     'a file cannot be read or written, Read-only file system: check'),
    (OSError('closed'), 'a file cannot be read or written, closed: check'),
])
@pytest.mark.parametrize('name', VERBS)
def test_errors_of_the_system_are_one_sentence_in_every_verb(
    name, error, text, parsers, monkeypatch, capsys,
):
    def fail(_):
        raise error

    monkeypatch.setattr(load_verb(name), 'run', fail)
    assert run(*shlex.split(load_verb(name).EXAMPLE)[1:]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f'ldn: {text}')
    assert printed.count('\n') == 1


@pytest.mark.parametrize('name', sorted(set(VERBS) - READERS))
def test_an_output_inside_a_file_is_one_sentence_in_every_verb(
    name, tmp_path, monkeypatch, capsys,
):
    monkeypatch.chdir(ROOT)
    (tmp_path / 'file').write_text('kept')
    output = tmp_path / 'file' / 'out'
    bag = tmp_path / 'drive'
    inputs = {
        'predict': ['docs/images/synthetic_drive.jpg'], 'replay': [bag],
        'demo': ['--frames', 1], 'view': [bag],
        'train': ['--recipe', 'config/training/correspondence.yaml'],
        'evaluate': ['--weights', 'ldn121_road', '--data', tmp_path, '--dataset', 'camvid'],
        'evaluate-stereo': [tmp_path], 'synthesize': ['--frames', 1, '--size', '64x64'],
        'weights convert': [tmp_path / 'file'],
        'weights average': ['ldn121_road', 'ldn121_road'],
        'weights correct-prior': ['ldn121_road', '--foreign-odds', 0.5],
        'weights calibrate-ood': ['ldn121_road', '--data', tmp_path, '--dataset', 'camvid'],
        'export': ['--weights', 'ldn121_road', '--size', '64x64'], 'doctor': [],
    }[name]
    if name in ('replay', 'view'):
        write_drive(bag, stamps(0, 1))
    assert run(*name.split(), *inputs, '--output', output) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith('ldn: ')
    assert str(tmp_path / 'file') in error[-1]
    assert len([line for line in error if line.startswith('ldn: ')]) == 1
    assert 'Traceback' not in '\n'.join(error)
    assert (tmp_path / 'file').read_text() == 'kept'


def test_commands_of_the_documentation_parse(parsers, text_files):
    seen = 0
    for name, text in text_files.items():
        if not name.endswith('.md'):
            continue
        for line in text.replace('\\\n', ' ').splitlines():
            command = COMMAND.match(line)
            if command is None or command[1].split()[1].endswith((':', ',')):
                continue
            words = shlex.split(command[1], comments=True)[1:]
            verb = next((verb for verb in (' '.join(words[:2]), words[0]) if verb in VERBS), None)
            assert verb, f'{name}: {line}'
            words = [word for word in words[len(verb.split()):] if word != '…']
            parsers[verb].check_options(words)
            if '…' not in line:
                assert isinstance(parsers[verb].parse_args(words), argparse.Namespace), line
            seen += 1
    assert seen > 20


def test_no_name_of_an_earlier_version_is_left(text_files):
    verbs = '|'.join(GONE)
    gone = re.compile(
        rf'\bldn (?:{verbs})\b|\btrain[-_]stereo\b|main\(\[\'(?:{verbs})\'|ARGS=.--(?:images|bag)')
    old_options = [
        re.compile(rf'\bldn {name}\b[^`|\n]*? {option}\b(?!-)')
        for name, flags in GONE_OPTIONS.items() for option in flags]
    left = [
        f'{name}: {match[0]}' for name, text in text_files.items()
        for pattern in (gone, *old_options) for match in pattern.finditer(text)]
    assert left == []


def test_verbs_that_texts_mention_exist(text_files):
    mentioned = re.compile(r'`ldn ([a-z]+(?:-[a-z]+)*)(?: ([a-z]+(?:-[a-z]+)*))?')
    unknown = [
        f'{name}: {match[0]}' for name, text in text_files.items()
        for match in mentioned.finditer(text)
        if match[1] not in VERBS and f'{match[1]} {match[2]}' not in VERBS
        and match[0] != '`ldn weights']
    assert unknown == []
