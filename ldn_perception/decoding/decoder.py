# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder protocol, and the reference decoder in torch."""


from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.decoding.non_finite import find_non_finite, finite_cells, mark_non_finite
from ldn_perception.errors import SegmentationError
from ldn_perception.hardware import download
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import UNLABELLED, Quantity, Segmentation


class LabelPolicy(enum.Enum):
    """Label of a pixel whose most probable class is foreign.

    Source: thesis section 5.3.3. VOID corresponds to LDN2_ROB, DRIVING to M_DN.
    """

    VOID = 'void'
    DRIVING = 'driving'


@dataclass(frozen=True, slots=True)
class OodRule:
    """Rule for the OOD mask and the labels, based on the foreign probability.

    Attributes:
        threshold: Foreign probability above which a pixel is out of distribution, in [0, 1].
        label_policy: Label of pixels whose most probable class is foreign.
    """

    threshold: float = 0.5
    label_policy: LabelPolicy = LabelPolicy.VOID


class Decoder(Protocol):
    """Converts the logits of one image to its segmentation."""

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Upsample bilinearly to the image and decide every pixel.

        p(c) is the softmax of the upsampled logits. The label is its arg-max (the smallest id in a
        tie), the confidence its maximum, the foreign probability its sum over the foreign classes
        (thesis section 5.3.3). A pixel interpolated from logits that are not finite has label 255,
        confidence 0 and foreign probability 1, is in the mask, and is counted.

        Args:
            logits: (1, C, h, w) float tensor, one channel per class of the taxonomy.
            image: (H, W, 3) uint8 RGB input image; most decoders use only its size.
            rule: Threshold and label policy.
            quantities: Quantities to compute besides the labels.

        Raises:
            SegmentationError: The logits do not fit the taxonomy.
        """
        ...


def check_logits(logits: torch.Tensor, taxonomy: Taxonomy) -> None:
    """Check that logits are those of one image and this taxonomy.

    Raises:
        SegmentationError: The shape is not (1, classes, h, w).
    """
    if logits.ndim != 4 or logits.shape[:2] != (1, len(taxonomy)):
        raise SegmentationError(
            'logits', must_be=f'(1, {len(taxonomy)}, h, w) for taxonomy {taxonomy.name}',
            got=tuple(logits.shape), do='build the model for this taxonomy',
        )


class TorchDecoder:
    """Decodes on the device of the logits and downloads only the requested quantities.

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
        # max() is several times faster than argmax() on the CPU.
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
        return segmentation_of(planes, logits[0], self._taxonomy)


def segmentation_of(
    planes: Mapping[str, torch.Tensor], logits: torch.Tensor, taxonomy: Taxonomy,
) -> Segmentation:
    """Download decoded planes into a Segmentation, and mark the pixels of non-finite logits.

    Args:
        planes: Attribute of Segmentation -> (H, W) tensor, all on one device.
        logits: (C, h, w) float tensor on that device, from which the planes were decoded.
        taxonomy: Classes of the labels.
    """
    if logits.device.type == 'cpu':
        arrays, is_finite = download([*planes.values()]), find_non_finite(logits)
    else:
        *arrays, is_finite = download([*planes.values(), finite_cells(logits)])
    named: dict[str, Any] = dict(zip(planes, arrays, strict=True))
    return mark_non_finite(Segmentation(taxonomy=taxonomy.name, **named), is_finite)
