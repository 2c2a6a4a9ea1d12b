# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Options shared by verbs, each declared once, and checks of their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
import os
from pathlib import Path
import re

from ldn_perception.config import InferenceConfig, section_options
from ldn_perception.errors import ConfigError, OutputError

ORDER = (
    'weights', 'recipe', 'config', 'overrides', 'data', 'dataset', 'split', 'size', 'device',
    'engine', 'precision', 'calibration_images', 'limit', 'pictures', 'output', 'overwrite',
)
"""Destinations of the shared options, in the order in which every verb declares them."""

INFERENCE_OPTIONS = ('device', 'engine', 'precision')
"""Options that are also parameters of the node, inference.NAME."""


def add_weights(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Declare --weights."""
    parser.add_argument(
        '--weights', required=required, metavar='NAME|FILE',
        help='shipped weights by name (ldn weights list), or a weights file (.safetensors)')


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Declare --recipe."""
    parser.add_argument(
        '--recipe', type=Path, required=True, metavar='FILE',
        help='recipe of a training (YAML), see config/training')


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare --config."""
    parser.add_argument(
        '--config', type=Path, metavar='FILE', help='parameter file of the node (YAML)')


def add_set(parser: argparse.ArgumentParser) -> None:
    """Declare --set."""
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='overrides',
        help='value of a parameter of the node (ldn parameters) or of an option of the recipe; '
        'may be repeated')


def add_data(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Declare --data.

    Args:
        parser: Parser of the verb.
        default: Default folder; None makes the option required.
    """
    parser.add_argument(
        '--data', type=Path, required=default is None,
        default=None if default is None else Path(default), metavar='FOLDER',
        help='folder of the dataset, or of the datasets of a recipe')


def add_size(
    parser: argparse.ArgumentParser, *, default: str | None = None, repeatable: bool = False,
) -> None:
    """Declare --size.

    Args:
        parser: Parser of the verb.
        default: Default size; None keeps the size of the images.
        repeatable: True if the verb requires one or more sizes.
    """
    parser.add_argument(
        '--size', action='append' if repeatable else 'store', required=repeatable,
        default=default, metavar='WxH', help='width and height of the images [px]')


def add_inference(
    parser: argparse.ArgumentParser, *, device: str | None = None, engine: str | None = None,
    precision: str | None = None,
) -> None:
    """Declare --device, --engine and --precision.

    Args:
        parser: Parser of the verb.
        device: Default device; None leaves it to the parameters of the node.
        engine: Default engine; None leaves it to the parameters of the node.
        precision: Default precision; None leaves it to the parameters of the node.
    """
    add_device(parser, device)
    parser.add_argument(
        '--engine', choices=_choices('engine'), default=engine, metavar='NAME',
        help=f'library that runs the network: {", ".join(_choices("engine"))}')
    parser.add_argument(
        '--precision', choices=_choices('precision'), default=precision, metavar='NAME',
        help=f'arithmetic of the network: {", ".join(_choices("precision"))}')


def add_device(parser: argparse.ArgumentParser, default: str | None = 'auto') -> None:
    """Declare --device."""
    parser.add_argument(
        '--device', choices=_choices('device'), default=default, metavar='NAME',
        help=f'device of the network: {", ".join(_choices("device"))}')


def add_calibration_images(parser: argparse.ArgumentParser) -> None:
    """Declare --calibration-images."""
    parser.add_argument(
        '--calibration-images', default='', metavar='FOLDER',
        help='images of the cameras, for precision int8')


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Declare --limit."""
    parser.add_argument(
        '--limit', type=int, metavar='N', help='use only the first N images or pairs of a dataset')


def add_pictures(parser: argparse.ArgumentParser, default: int) -> None:
    """Declare --pictures."""
    parser.add_argument(
        '--pictures', type=int, default=default, metavar='N', help='number of pictures to write')


def add_output(
    parser: argparse.ArgumentParser, default: str | None = None, *, required: bool = True,
) -> None:
    """Declare --output.

    Args:
        parser: Parser of the verb.
        default: Default path.
        required: True if a path is required in the absence of a default.
    """
    parser.add_argument(
        '--output', type=Path, required=required and default is None, metavar='PATH',
        default=None if default is None else Path(default), help='file or folder to write')


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declare --overwrite."""
    parser.add_argument(
        '--overwrite', action='store_true',
        help='replace a file, or write into a folder that holds files')


def add_taxonomy(
    parser: argparse.ArgumentParser, names: Iterable[str], default: str | None = None,
) -> None:
    """Declare --taxonomy.

    Args:
        parser: Parser of the verb.
        names: Names of the class lists.
        default: Default class list.
    """
    parser.add_argument(
        '--taxonomy', choices=tuple(names), default=default, metavar='NAME',
        help=f'class list of the labels: {", ".join(names)}')


def add_topic(parser: argparse.ArgumentParser) -> None:
    """Declare --topic."""
    parser.add_argument(
        '--topic', default='', metavar='TOPIC',
        help='topic of the images in a bag; the stereo cameras unless given')


def add_drive(parser: argparse.ArgumentParser) -> None:
    """Declare --frames and --seed of a synthetic drive."""
    parser.add_argument(
        '--frames', type=int, default=60, metavar='N', help='pairs of the synthetic drive')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='seed of the synthetic drive')


def _choices(name: str) -> tuple[str, ...]:
    return next(
        option.choices for option in section_options(InferenceConfig) if option.name == name)


def parse_size(text: str) -> tuple[int, int]:
    """Parse a size such as '480x360' into width and height [px].

    Raises:
        ConfigError: The text is not a size.
    """
    found = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if found is None:
        raise ConfigError(
            '--size', must_be='WIDTHxHEIGHT', got=repr(text), do='write for example 480x360')
    return int(found[1]), int(found[2])


def check_limit(limit: int | None) -> None:
    """Check that --limit is at least 1.

    Raises:
        ConfigError: It is below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(
            '--limit', must_be='at least 1', got=limit, do='leave it out for all of them')


def inference_values(options: argparse.Namespace) -> dict[str, str]:
    """Node parameters set by --device, --engine and --precision."""
    return {
        f'inference.{name}': getattr(options, name) for name in INFERENCE_OPTIONS
        if getattr(options, name) is not None}


def in_order(destinations: Sequence[str]) -> bool:
    """Tell if the shared options among the destinations have the common order."""
    places = [ORDER.index(name) for name in destinations if name in ORDER]
    return places == sorted(places)


def make_output_folder(path: Path, *, may_hold_files: bool = True) -> None:
    """Create a folder for results.

    Args:
        path: The folder.
        may_hold_files: True if it may already contain files.

    Raises:
        OutputError: It is a file, cannot be created or written to, or contains files.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        holds_files = any(path.iterdir())
    except OSError as error:
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got=error.strerror,
            do='choose another --output') from error
    if not os.access(path, os.W_OK):
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got='a read-only one',
            do='choose another --output')
    if holds_files and not may_hold_files:
        raise OutputError(
            f'output {path}', must_be='a new or empty folder', got='a folder with files',
            do='choose another --output, or add --overwrite')


def check_output_file(path: Path, *, overwrite: bool) -> None:
    """Check in advance that a file can be written.

    Args:
        path: The file.
        overwrite: True if it may exist.

    Raises:
        OutputError: It is a folder, its folder is missing or read-only, or it exists.
    """
    if path.is_dir():
        raise OutputError(
            f'output {path}', must_be='a file', got='a folder', do='choose another --output')
    if path.exists() and not overwrite:
        raise OutputError(
            f'output {path}', must_be='a new file', got='one that exists',
            do='choose another --output, or add --overwrite')
    if not os.access(path.parent, os.W_OK) or not path.parent.is_dir():
        raise OutputError(
            f'output {path}', must_be='in a folder that can be written',
            got='a read-only one' if path.parent.is_dir() else 'no such folder',
            do='make the folder, or choose another --output')
