# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding with plain tensor operations, on any device: the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.frames import UNLABELLED, Quantity, Segmentation
from ldn_perception.host_transfers import download
from ldn_perception.segmentation.decoder import LabelPolicy, OodRule, check_logits
from ldn_perception.taxonomy.taxonomy import Taxonomy


class TorchDecoder:
    """Decodes where the logits are and downloads only what was asked for.

    Args:
        taxonomy: Classes of the logits' channels.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Decode one image; see Decoder."""
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        num_driving = self._taxonomy.num_driving
        scores = F.interpolate(
            logits.float(), shape, mode='bilinear', align_corners=False)[0]  # (C, H, W)
        # max() is several times faster than argmax() on the CPU
        best_driving, labels = scores[:num_driving].max(0)
        best = best_driving
        if num_driving < len(self._taxonomy):
            best_foreign = scores[num_driving:].max(0).values
            best = torch.maximum(best_driving, best_foreign)
            if rule.label_policy is LabelPolicy.VOID:
                labels = labels.masked_fill(best_foreign > best_driving, UNLABELLED)

        wanted = quantities & (
            Quantity.OOD_MASK | Quantity.CONFIDENCE | Quantity.FOREIGN_PROBABILITY)
        confidence = foreign = None
        if wanted:
            weights = (scores - best).exp()
            total = weights.sum(0)
            confidence = 1 / total
            foreign = weights[num_driving:].sum(0) / total
        planes = {'labels': labels.to(torch.uint8)}
        if foreign is not None and Quantity.OOD_MASK in quantities:
            planes['ood_mask'] = foreign > rule.threshold
        if confidence is not None and Quantity.CONFIDENCE in quantities:
            planes['confidence'] = confidence
        if foreign is not None and Quantity.FOREIGN_PROBABILITY in quantities:
            planes['foreign_probability'] = foreign
        return segmentation_of(planes, self._taxonomy)


def segmentation_of(planes: Mapping[str, torch.Tensor], taxonomy: Taxonomy) -> Segmentation:
    """Download what was decided.

    Args:
        planes: (H, W) tensors on one device by the name of their attribute of Segmentation.
        taxonomy: Classes of the labels.
    """
    return Segmentation(
        taxonomy=taxonomy.name, **dict(zip(planes, download([*planes.values()]), strict=True)))
