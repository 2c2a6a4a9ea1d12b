# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Prior correction: adapt a trained network to rarer out-of-distribution objects.

Training batches always contain foreign objects; on a road they are rare. By Bayes' rule, a network
with calibrated probabilities is corrected for another prior by multiplying its odds with the
ratio of the prior odds. This adds the logarithm of the ratio to its foreign logits.

Source: Saerens et al., Adjusting the outputs of a classifier to new a priori probabilities, Neural
Computation 2002, equation 2.4.
"""

from __future__ import annotations

from dataclasses import replace
import math
import os
from pathlib import Path

from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.models.weights import (
    WeightsHeader,
    load_weights,
    read_tensors,
    read_weights_header,
    write_weights,
)


def multiply_foreign_odds(
    source: str | os.PathLike[str], path: str | os.PathLike[str], num_driving: int, factor: float,
) -> WeightsHeader:
    """Copy a weights file with the odds of its foreign classes multiplied by a factor.

    The order of the pixels by foreign probability is unchanged. A calibrated threshold is moved
    accordingly, so the mask is unchanged too. The most probable class can change.

    Args:
        source: File written by `save_weights`.
        path: File to write or replace, may be `source`; written atomically.
        num_driving: Number of driving classes, which come first.
        factor: Factor > 0 on the odds of foreign against driving classes. The summary holds the
            product of all factors so far as 'foreign_odds'.

    Returns:
        Header of the written file.

    Raises:
        ModelError: See `load_weights`; or the factor is not above 0, there are no foreign
            classes, or the file cannot be written.
    """
    header = read_weights_header(source)
    if not (factor > 0 and math.isfinite(factor)):
        raise ModelError(
            'factor of foreign odds', must_be='above 0', got=factor, do='try 0.5')
    if num_driving >= len(header.class_names):
        raise ModelError(
            f'weights file {source}', must_be='of a network with foreign classes',
            got=f'one of {len(header.class_names)} driving classes',
            do='train with foreign images')
    model = build_model(header.model_name, len(header.class_names))
    load_weights(source, model, header.model_name, header.class_names)  # rejects damaged files
    tensors = read_tensors(source, header)
    tensors[final_bias(model)][num_driving:] += math.log(factor)
    before = header.summary.get('foreign_odds', 1.0)
    assert isinstance(before, float)
    threshold = header.ood_threshold
    if threshold is not None:
        threshold = factor * threshold / (1 - threshold + factor * threshold)
    changed = replace(
        header, ood_threshold=threshold,
        summary={**header.summary, 'foreign_odds': before * factor})
    write_weights(Path(path), tensors, changed)
    return changed


def final_bias(model: SegmentationModel) -> str:
    """Name of the bias (C,) that is added to the logits."""
    *_, last = (
        name for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels == model.num_classes
        and module.bias is not None and not name.startswith('auxiliary'))
    return f'{last}.bias'
