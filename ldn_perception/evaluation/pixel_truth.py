# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of every pixel: its driving class, that it is foreign, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.frames import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy.label_mapping import LabelMapping


@dataclass(frozen=True, slots=True)
class PixelTruth:
    """Ground truth of one image.

    Attributes:
        labels: (H, W) uint8 ids of driving classes, 255 where there is none.
        foreign: (H, W) bool, True on what does not belong on a road.
        known: (H, W) bool, True on what is known to belong there, on an image of a road.
    """

    labels: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def from_labels(
        cls, labels: NDArray[np.uint8], num_driving: int, *, negative: bool = False,
    ) -> PixelTruth:
        """Truth of labels whose ids from num_driving on are foreign classes.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            num_driving: Number of driving classes.
            negative: The image is not of a road: none of it is known, whatever its labels are.
        """
        driving = labels < num_driving
        return cls(
            np.where(driving, labels, np.uint8(UNLABELLED)),
            ~driving & (labels != UNLABELLED), driving & (not negative))

    @classmethod
    def from_photograph(cls, labels: NDArray[np.uint8], mapping: LabelMapping) -> PixelTruth:
        """Truth of a photograph of anything, which has no driving classes of its own.

        A label that stands for driving classes only is known, one that stands for foreign classes
        only is foreign; of any other nothing is known.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            mapping: From the classes of the photograph to a taxonomy with both domains.
        """
        foreign, known = np.zeros((2, UNLABELLED + 1), np.bool_)
        foreign[:len(mapping.source)] = mapping.foreign_labels
        known[:len(mapping.source)] = mapping.driving_labels
        return cls(np.full(labels.shape, UNLABELLED, np.uint8), foreign[labels], known[labels])

    @classmethod
    def from_masks(cls, foreign: NDArray[np.bool_], valid: NDArray[np.bool_]) -> PixelTruth:
        """Truth of a set that only says what is foreign.

        Args:
            foreign: (H, W) bool.
            valid: (H, W) bool, False where the set says nothing.
        """
        return cls(
            np.full(foreign.shape, UNLABELLED, np.uint8), foreign & valid, ~foreign & valid)
