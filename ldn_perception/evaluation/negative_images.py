# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images of which a driving network rightly says that it knows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.frames import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray


def accept_void(
    prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Labels of a negative image with void put right.

    Void, which is also what a foreign class becomes, is a right answer on every pixel of a
    negative image, whatever its annotation says. A driving class is right where the annotation,
    the best that can be said of such an image, has it, and wrong elsewhere. So a void pixel
    counts as a true positive of its annotated class.

    Source: the negative test cases of WildDash (Zendel et al., ECCV 2018); thesis section 5.3.

    Args:
        prediction: (H, W) uint8 class ids, 255 = void or foreign.
        ground_truth: (H, W) uint8 class ids, 255 = ignored.

    Returns:
        (H, W) uint8, to be scored like the prediction of any other image.
    """
    return np.where(prediction == UNLABELLED, ground_truth, prediction)
