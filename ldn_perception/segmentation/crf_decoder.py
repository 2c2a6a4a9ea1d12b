# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding with a conditional random field between the softmax and the decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.frames import Quantity, Segmentation
from ldn_perception.segmentation.decoder import Decoder, OodRule, check_logits
from ldn_perception.segmentation.dense_crf import SMALLEST_PROBABILITY, DenseCrf
from ldn_perception.taxonomy.taxonomy import Taxonomy


class CrfDecoder:
    """Refines the probabilities with the image, then lets another decoder decide.

    Args:
        taxonomy: Classes of the logits' channels.
        crf: Refines the probabilities at full resolution, on the CPU.
        decoder: Decides; its softmax sees log Q and so finds the refined probabilities Q.
    """

    def __init__(self, taxonomy: Taxonomy, crf: DenseCrf, decoder: Decoder) -> None:
        self._taxonomy = taxonomy
        self._crf = crf
        self._decoder = decoder

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Upsample bilinearly to the image, refine and decide every pixel; see Decoder.

        Args:
            logits: (1, C, h, w) float tensor, a channel for each class of the taxonomy.
            image: (H, W, 3) uint8 RGB, which the network saw.
            rule: Threshold and label policy.
            quantities: What to compute beside the labels.

        Raises:
            SegmentationError: The logits do not fit the taxonomy.
        """
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        scores = F.interpolate(logits.float(), shape, mode='bilinear', align_corners=False)
        probabilities = self._crf.refine(scores[0].softmax(0).cpu().numpy(), image)
        refined = torch.from_numpy(np.maximum(probabilities, SMALLEST_PROBABILITY)).log()[None]
        return self._decoder.decode(refined, image, rule, quantities)
