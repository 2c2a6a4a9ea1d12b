# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights convert`: convert a checkpoint of the LDN authors' code to a weights file.

The weights file adds the network, the classes and the normalisation of the images, which the
checkpoint does not contain. Training-only heads are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import hashlib
from pathlib import Path

import torch

from ldn_perception.cli import options
from ldn_perception.cli.options import check_output_file
from ldn_perception.models.ldn import LadderDenseNet
from ldn_perception.models.registry import LADDER_DESIGNS, build_ladder_network
from ldn_perception.models.released_ldn import (
    RELEASED_IMAGE_MEAN,
    RELEASED_IMAGE_STD,
    has_auxiliary_heads,
    load_released_ldn,
    read_released_ldn,
)
from ldn_perception.models.segmentation_model import Normalisation
from ldn_perception.models.weights import save_weights
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy

EXAMPLE = 'ldn weights convert ldn121_weights_cityscapes_train.pt --output ldn121.safetensors'

RELEASED_MODELS = tuple(name for name in LADDER_DESIGNS if '_released' in name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'source', type=Path, metavar='CHECKPOINT', help='checkpoint of ivankreso/LDN (.pt, .pth)')
    options.add_output(parser)
    options.add_overwrite(parser)
    parser.add_argument(
        '--model', choices=RELEASED_MODELS, default='ldn121_released', metavar='NAME',
        help=f'network of the checkpoint: {", ".join(RELEASED_MODELS)}')
    options.add_taxonomy(parser, TAXONOMIES, 'cityscapes')
    parser.add_argument('--half', action='store_true', help='store float16, half the bytes')
    parser.add_argument(
        '--note', default='', metavar='TEXT', help='note in the file, for example a score')


def run(given: argparse.Namespace) -> int:
    """Convert and print a summary."""
    check_output_file(given.output, overwrite=given.overwrite)
    taxonomy = TAXONOMIES[given.taxonomy]
    convert_released(
        given.source, given.output, given.model, taxonomy,
        dtype=torch.float16 if given.half else None, note=given.note)
    size_mb = given.output.stat().st_size / 1e6
    print(f'{given.output}: {given.model}, {len(taxonomy)} classes of {taxonomy.name}, '
          f'{size_mb:.1f} MB')
    print(f'model.name: {given.model}, model.taxonomy: {taxonomy.name}, '
          f'model.weights: {given.output}')
    return 0


def convert_released(
    source: Path,
    output: Path,
    model_name: str,
    taxonomy: Taxonomy,
    *,
    dtype: torch.dtype | None = None,
    note: str = '',
) -> None:
    """Write a weights file with the tensors of a checkpoint of the authors' code.

    Args:
        source: The checkpoint.
        output: Weights file to write or replace, in an existing directory.
        model_name: Network of the checkpoint, one of `RELEASED_MODELS`.
        taxonomy: Class list of the network, in the order of the logits.
        dtype: See `save_weights`.
        note: Note for the summary of the file.

    Raises:
        ModelError: The output cannot be written, the source cannot be read, or its tensors are
            not those of this network.
    """
    tensors = read_released_ldn(source)
    design = replace(LADDER_DESIGNS[model_name], auxiliary_heads=has_auxiliary_heads(tensors))
    model: LadderDenseNet = build_ladder_network(design, len(taxonomy))
    load_released_ldn(tensors, model)
    model.auxiliary_heads = None
    save_weights(
        output, model, model_name, taxonomy.class_names,
        {
            'converted_from': 'https://github.com/ivankreso/LDN', 'source': source.name,
            'source_sha256': hashlib.sha256(source.read_bytes()).hexdigest(), 'note': note,
        },
        class_colors=[info.color for info in taxonomy.classes],
        normalisation=Normalisation(RELEASED_IMAGE_MEAN, RELEASED_IMAGE_STD), dtype=dtype,
    )
