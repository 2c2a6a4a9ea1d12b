# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every decoder does."""

from __future__ import annotations

from dataclasses import dataclass
import enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import SegmentationError
from ldn_perception.frames import Quantity, Segmentation
from ldn_perception.taxonomy.taxonomy import Taxonomy


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
