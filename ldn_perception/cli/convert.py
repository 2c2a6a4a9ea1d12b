# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn convert`: a checkpoint of the LDN authors' code as a weights file for the node.

The file says which network and classes it is for and how its images are normalised, none of
which the checkpoint does. Heads that only training uses are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import hashlib
from pathlib import Path

import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.ladder_design import build_ladder_network
from ldn_perception.models.ladder_presets import LADDER_DESIGNS
from ldn_perception.models.ldn import LadderDenseNet
from ldn_perception.models.normalisation import Normalisation
from ldn_perception.models.released_ldn import (
    RELEASED_IMAGE_MEAN,
    RELEASED_IMAGE_STD,
    has_auxiliary_heads,
    load_released_ldn,
    read_released_ldn,
)
from ldn_perception.models.weights import save_weights
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy

RELEASED_MODELS = tuple(name for name in LADDER_DESIGNS if '_released' in name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('source', type=Path, help='checkpoint of ivankreso/LDN (.pt, .pth)')
    parser.add_argument('output', type=Path, help='weights file to create (.safetensors)')
    parser.add_argument('--model', choices=RELEASED_MODELS, default='ldn121_released',
                        help='network of the checkpoint (default: %(default)s)')
    parser.add_argument('--taxonomy', choices=TAXONOMIES, default='cityscapes',
                        help='classes of its logits (default: %(default)s)')
    parser.add_argument('--half', action='store_true', help='store float16, half the bytes')
    parser.add_argument('--note', default='', help='remembered in the file, for example a score')


def run(options: argparse.Namespace) -> int:
    """Convert and say what came out."""
    taxonomy = TAXONOMIES[options.taxonomy]
    convert_released(
        options.source, options.output, options.model, taxonomy,
        dtype=torch.float16 if options.half else None, note=options.note)
    size_mb = options.output.stat().st_size / 1e6
    print(f'{options.output}: {options.model}, {len(taxonomy)} classes of {taxonomy.name}, '
          f'{size_mb:.1f} MB')
    print(f'model.name: {options.model}, model.taxonomy: {taxonomy.name}, '
          f'model.weights: {options.output}')
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
    """Write a weights file with what a checkpoint of the authors' code holds.

    Args:
        source: Their file.
        output: Weights file to create, in a directory that exists.
        model_name: Network of the checkpoint, one of `RELEASED_MODELS`.
        taxonomy: Its classes, in the order of the logits.
        dtype: See `save_weights`.
        note: Anything the summary of the file should say.

    Raises:
        ModelError: The output exists or cannot be written, the source cannot be read, or its
            tensors are not those of such a network.
    """
    if output.exists():
        raise ModelError(
            f'output {output}', must_be='a new file', got='one that exists',
            do='delete it or choose another name',
        )
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
