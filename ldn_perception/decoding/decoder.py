# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of decoders, and the reference decoder in torch."""


from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.errors import SegmentationError
from ldn_perception.hardware import download
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import UNLABELLED, Quantity, Segmentation


class LabelPolicy(enum.Enum):
    """Label of a pixel where a foreign class is the most probable one.

    Source: thesis section 5.3.3: VOID is what LDN2_ROB did, DRIVING is in the manner of M_DN.
    """

    VOID = 'void'
    DRIVING = 'driving'


@dataclass(frozen=True, slots=True)
class OodRule:
    """How foreign probability is used.

    Attributes:
        threshold: A pixel is out of distribution above it, in [0, 1].
        label_policy: What its label becomes.
    """

    threshold: float = 0.5
    label_policy: LabelPolicy = LabelPolicy.VOID


class Decoder(Protocol):
    """Turns the logits of one image into its segmentation."""

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Upsample bilinearly to the image and decide every pixel.

        p(c) is the softmax of the upsampled logits, the label its arg-max (the smaller id of
        equals), confidence its maximum, foreign probability its sum over the foreign classes
        (thesis section 5.3.3).

        Args:
            logits: (1, C, h, w) float tensor, a channel for each class of the taxonomy.
            image: (H, W, 3) uint8 RGB, what the network saw; most decoders take its size only.
            rule: Threshold and label policy.
            quantities: What to compute beside the labels.

        Raises:
            SegmentationError: The logits do not fit the taxonomy.
        """
        ...


def check_logits(logits: torch.Tensor, taxonomy: Taxonomy) -> None:
    """Refuse logits that are not those of one image and this taxonomy.

    Raises:
        SegmentationError: The shape is not (1, classes, h, w).
    """
    if logits.ndim != 4 or logits.shape[:2] != (1, len(taxonomy)):
        raise SegmentationError(
            'logits', must_be=f'(1, {len(taxonomy)}, h, w) for taxonomy {taxonomy.name}',
            got=tuple(logits.shape), do='build the model for this taxonomy',
        )


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
