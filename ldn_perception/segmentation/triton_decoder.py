# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding on a GPU with a kernel of Triton."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.frames import Quantity, Segmentation
from ldn_perception.host_transfers import upload
from ldn_perception.segmentation.decoder import LabelPolicy, OodRule, check_logits
from ldn_perception.segmentation.torch_decoder import segmentation_of
from ldn_perception.segmentation.triton_kernels import decide_in_launch
from ldn_perception.taxonomy.taxonomy import Taxonomy

_PLANES = {
    'ood_mask': (Quantity.OOD_MASK, torch.uint8),
    'confidence': (Quantity.CONFIDENCE, torch.float32),
    'foreign_probability': (Quantity.FOREIGN_PROBABILITY, torch.float32),
}


class TritonDecoder:
    """Decodes logits in the memory of a GPU and downloads only what was asked for.

    Args:
        taxonomy: Classes of the logits' channels.
        device: A GPU; logits that are elsewhere go there first.
    """

    def __init__(self, taxonomy: Taxonomy, device: torch.device) -> None:
        self._taxonomy = taxonomy
        self._device = device

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Decode one image; see Decoder."""
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        planes = {'labels': torch.empty(shape, dtype=torch.uint8, device=self._device)}
        planes |= {
            name: torch.empty(shape, dtype=dtype, device=self._device)
            for name, (quantity, dtype) in _PLANES.items() if quantity in quantities}
        decide_in_launch(
            upload(logits[0].detach(), self._device), self._taxonomy.num_driving,
            rule.label_policy is LabelPolicy.DRIVING, rule.threshold, planes['labels'],
            *map(planes.get, _PLANES))
        if 'ood_mask' in planes:
            planes['ood_mask'] = planes['ood_mask'].view(torch.bool)
        return segmentation_of(planes, self._taxonomy)
