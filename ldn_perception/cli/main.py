# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The `ldn` command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
import logging
import sys
from types import ModuleType

from ldn_perception.errors import ConfigError, LdnPerceptionError

VERBS = {
    'predict': 'segment images, folders, videos or bags: labels, masks, overlays, JSON',
    'demo': 'replay a drive through the node over DDS; score it and draw pictures',
    'replay': 'take bags through the corridor offline: every pair, scored',
    'synthesize': 'render a synthetic stereo drive with ground truth',
    'view': 'make a video of recorded results over their images',
    'train': 'train a network by a recipe',
    'train-stereo': 'train the correspondence metric of the learned matcher',
    'evaluate': 'score trained weights on a dataset, with pictures',
    'evaluate-stereo': 'score matchers on stereo pairs, with pictures',
    'calibrate-ood': 'choose the foreign threshold for a false positive rate',
    'correct-prior': 'make foreign classes rarer or commoner than the training showed them',
    'average': 'take the mean of trained weights that began with the same ones',
    'convert': 'make a weights file of a checkpoint of the LDN authors',
    'export': 'make a trained network ready for an engine: OpenVINO, ONNX Runtime, TensorRT',
    'complexity': 'print sizes and costs of the networks beside the thesis',
    'doctor': 'check a live system: topics, QoS, calibration, rates, clocks, DDS, GPU',
    'parameters': 'print the table of parameters',
}
"""Name of a verb -> what it does; its module is of the same name."""


EXTRAS = {
    'embreex': 'synthetic', 'matplotlib': 'report', 'nncf': 'int8', 'onnxruntime': 'onnx',
    'onnxscript': 'onnx', 'ray': 'ray', 'tensorboard': 'train', 'trimesh': 'synthetic',
}
"""Optional package -> extra of ldn_perception that installs it."""


def load_verb(name: str) -> ModuleType:
    """Import the module of a verb, which has add_arguments and run.

    Raises:
        ConfigError: A package that the verb needs is not installed.
    """
    try:
        return import_module(f'ldn_perception.cli.{name.replace("-", "_")}')
    except ModuleNotFoundError as error:
        package = str(error.name).partition('.')[0]
        advice = 'run make environment, or install what docs/dependencies.md names'
        if package in EXTRAS:
            advice = f'pip install "ldn_perception[{EXTRAS[package]}]"'
        raise ConfigError(
            f'package {package}', must_be=f'installed for ldn {name}', got='none', do=advice,
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; an error of ours is one sentence and exit code 1."""
    try:
        with _log_on_stderr():
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
    except LdnPerceptionError as error:
        print(f'ldn: {error}', file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


class _StderrLines(logging.Handler):
    """Prints records to whatever is standard error then: progress bars take its place."""

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


def _run(given: list[str]) -> int:
    parser = argparse.ArgumentParser('ldn', description='Stereo segmentation for ROS 2.')
    parsers = parser.add_subparsers(dest='verb', required=True)
    for name, text in VERBS.items():
        verb_parser = parsers.add_parser(name, help=text)
        # Only the verb in use is imported: doctor is for machines where others cannot be.
        if given[:1] == [name]:
            verb = load_verb(name)
            verb_parser.description = verb.__doc__
            verb.add_arguments(verb_parser)
    options = parser.parse_args(given)
    code: int = load_verb(options.verb).run(options)
    return code


if __name__ == '__main__':
    main()
