# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The `ldn` command: parser, verbs and error handling."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
import logging
import os
import sys
from types import ModuleType
from typing import Any

from ldn_perception.errors import ConfigError, LdnPerceptionError

GROUPS = {
    'run on images and bags': {
        'predict': 'segment images, folders, videos or bags: labels, masks, overlays, JSON',
        'replay': 'run recorded drives through the pipeline, every pair, and score them',
        'demo': 'play a drive to the ROS node over DDS, score it and draw pictures',
        'view': 'draw recorded results over their images as a video and pictures',
    },
    'train and score': {
        'train': 'train what a recipe describes: a network, or the metric of the learned matcher',
        'evaluate': 'score trained weights on a dataset, with pictures',
        'evaluate-stereo': 'score matchers on stereo pairs, with pictures',
        'synthesize': 'render a synthetic stereo drive with ground truth',
    },
    'weights': {
        'weights list': 'list the weights that come with the package',
        'weights show': 'show the contents of a weights file',
        'weights convert': 'convert a checkpoint of the LDN authors',
        'weights average': 'average trained weights that began with the same ones',
        'weights correct-prior': 'multiply the odds of foreign against driving classes',
        'weights calibrate-ood': 'calibrate the foreign threshold for a false positive rate',
    },
    'tools': {
        'export': 'export a network for an engine: OpenVINO, ONNX Runtime, TensorRT, compiled',
        'models': 'print sizes and costs of the networks beside those of the thesis',
        'parameters': 'print the table of the parameters of the node',
        'doctor': 'check a live system: topics, QoS, calibration, rates, clocks, DDS, GPU',
    },
}
"""Heading -> verb -> purpose. A verb's module has its name, with underscores."""

VERBS = {name: text for group in GROUPS.values() for name, text in group.items()}
"""Verb -> purpose."""

EXTRAS = {
    'embreex': 'synthetic', 'matplotlib': 'report', 'nncf': 'int8', 'onnxruntime': 'onnx',
    'onnxscript': 'onnx', 'ray': 'ray', 'tensorboard': 'train', 'trimesh': 'synthetic',
}
"""Optional package -> extra of ldn_perception that installs it."""

_WEIGHTS = 'weights'
_INTERRUPTED = 130


def load_verb(name: str) -> ModuleType:
    """Import the module of a verb, which defines add_arguments, run and EXAMPLE.

    Raises:
        ConfigError: A package that the verb needs is not installed.
    """
    with _packages_of(name):
        return import_module(f'ldn_perception.cli.{name.replace("-", "_").replace(" ", "_")}')


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; errors of the package or the system are printed, with exit code 1."""
    try:
        with _log_on_stderr():
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
            sys.stdout.flush()
    except LdnPerceptionError as error:
        code = _fail(str(error))
    except BrokenPipeError:  # the reader of the pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        code = _fail(explain(error))
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def explain(error: OSError) -> str:
    """Describe an error of the operating system: file, cause and advice."""
    file = f'file {error.filename}' if error.filename else 'a file'
    cause = error.strerror or str(error) or type(error).__name__
    return (f'{file} cannot be read or written, {cause}: check the path, its permissions and the '
            'free space')


def build_parser(given: Sequence[str] = ()) -> tuple[CommandParser, dict[str, CommandParser]]:
    """Build the parser of the command.

    Args:
        given: Arguments; only the verb at their beginning is imported and gets its options. So
            `ldn doctor` runs on machines where other verbs cannot be imported.

    Returns:
        The parser, and the parsers of the verbs by name.
    """
    parser = CommandParser(
        'ldn', usage='ldn VERB [OPTION]…', epilog=_overview(GROUPS),
        description='Stereo semantic segmentation with out-of-distribution masks.')
    verbs = parser.add_subparsers(
        prog='ldn', metavar='VERB', required=True, help=argparse.SUPPRESS)
    weights = verbs.add_parser(
        _WEIGHTS, usage='ldn weights ACTION [OPTION]…', description='Weights files.',
        epilog=_overview({'actions': GROUPS[_WEIGHTS]}))
    actions = weights.add_subparsers(
        prog='ldn weights', metavar='ACTION', required=True, help=argparse.SUPPRESS)
    found = {}
    for name in VERBS:
        parent = actions if name.startswith(f'{_WEIGHTS} ') else verbs
        found[name] = parent.add_parser(name.rpartition(' ')[2])
        found[name].set_defaults(verb=name)
        if name == verb_of(given):
            verb = load_verb(name)
            found[name].description = verb.__doc__
            found[name].epilog = f'example:\n  {verb.EXAMPLE}'
            verb.add_arguments(found[name])
    return parser, found


def verb_of(given: Sequence[str]) -> str:
    """Name of the verb at the beginning of the arguments; empty if there is none."""
    for name in (' '.join(given[:2]), *given[:1]):
        if name in VERBS:
            return name
    return ''


def _run(given: list[str]) -> int:
    parser, parsers = build_parser(given)
    name = verb_of(given)
    if name:
        parsers[name].check_options(given[len(name.split()):])
    else:
        _refuse_unknown_verb(parser, given)
    options = parser.parse_args(given)
    with _packages_of(name):
        code: int = load_verb(name).run(options)
    return code


def _refuse_unknown_verb(parser: CommandParser, given: Sequence[str]) -> None:
    named = list(given[:2] if given[:1] == [_WEIGHTS] else given[:1])
    if not named or named == [_WEIGHTS] or named[-1].startswith('-'):
        return  # argparse reports a missing verb, or prints the help
    name = ' '.join(named)
    program = 'ldn weights' if named[0] == _WEIGHTS else 'ldn'
    parser.error(f'unknown verb {name}: {advise(name, [*VERBS, _WEIGHTS], program)}')


def _overview(groups: Mapping[str, Mapping[str, str]]) -> str:
    width = 2 + max(len(name) for names in groups.values() for name in names)
    lines = []
    for heading, verbs in groups.items():
        lines += [f'{heading}:', *(f'  {name:{width}}{text}' for name, text in verbs.items()), '']
    return '\n'.join([*lines, '`ldn VERB --help` describes a verb.'])


def _fail(sentence: str) -> int:
    print(f'ldn: {sentence}', file=sys.stderr)
    return 1


@contextmanager
def _packages_of(verb: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition('.')[0]
        advice = 'run make environment, or install what docs/dependencies.md names'
        if package in EXTRAS:
            advice = f'pip install "ldn_perception[{EXTRAS[package]}]"'
        raise ConfigError(
            f'package {package}', must_be=f'installed for ldn {verb}', got='none', do=advice,
        ) from error


class _StderrLines(logging.Handler):
    """Handler that prints records to the current standard error, which progress bars replace."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as a line."""
        print(record.getMessage(), file=sys.stderr)


@contextmanager
def _log_on_stderr() -> Iterator[None]:
    logger, lines = logging.getLogger('ldn_perception'), _StderrLines(logging.INFO)
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)


class CommandParser(argparse.ArgumentParser):
    """Parser of the command or of a verb; options cannot be abbreviated.

    Args:
        settings: Settings of `argparse.ArgumentParser`.

    Attributes:
        declared: Arguments in the order of their declaration.
    """

    def __init__(self, *names: Any, **settings: Any) -> None:
        self.declared: list[argparse.Action] = []
        settings.setdefault('formatter_class', HelpWithDefaults)
        settings.setdefault('allow_abbrev', False)
        super().__init__(*names, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Declare an argument."""
        action = super().add_argument(*names, **settings)
        self.declared.append(action)
        return action

    def check_options(self, given: Iterable[str]) -> None:
        """Exit with code 2 at an unknown option, before missing arguments are reported.

        Args:
            given: Arguments of the verb.
        """
        known = [name for action in self.declared for name in action.option_strings]
        for text in given:
            name = text.partition('=')[0]
            if name == '--':
                return
            if name.startswith('--') and name not in known:
                self.error(f'unknown option {name}: {advise(name, known, self.prog)}')


class HelpWithDefaults(argparse.RawDescriptionHelpFormatter):
    """Help formatter that keeps the lines of descriptions and shows every default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, '', argparse.SUPPRESS) or isinstance(
                action.default, list):
            return action.help
        return f'{action.help} (default: %(default)s)'


def advise(name: str, known: Sequence[str], program: str) -> str:
    """Advice on an unknown name: the most similar name, and the help that lists all.

    Args:
        name: Unknown name.
        known: Known names.
        program: Command that prints the help.
    """
    similar = get_close_matches(name, known, 1)
    question = f'did you mean {similar[0]}? ' if similar else ''
    return f'{question}`{program} --help` lists them'


if __name__ == '__main__':
    main()
