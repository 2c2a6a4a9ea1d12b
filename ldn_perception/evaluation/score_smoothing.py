# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a drive, steadied over its frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import EvaluationError


class ScoreSmoothing:
    """Exponential moving average of a score, pixel by pixel.

    For the frames of one drive in their order: what flickers is damped, and so is, a little late,
    what moves. Nothing is warped along the motion. A frame of another size starts anew.

    Args:
        newest_weight: Share of the newest frame in the average, in (0, 1]; 1 leaves the scores as
            they are.

    Raises:
        EvaluationError: The share is not in (0, 1].
    """

    def __init__(self, newest_weight: float) -> None:
        if not 0 < newest_weight <= 1:
            raise EvaluationError(
                'share of the newest frame', must_be='above 0 and at most 1', got=newest_weight,
                do='choose 1 for no smoothing')
        self._newest_weight = np.float32(newest_weight)
        self._average: NDArray[np.float32] | None = None

    def smooth(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in the scores of the next frame.

        Args:
            scores: (H, W) float32.

        Returns:
            (H, W) float32, the average including this frame.
        """
        average = self._average
        if average is None or average.shape != scores.shape:
            average = scores
        self._average = average + self._newest_weight * (scores - average)
        return self._average
