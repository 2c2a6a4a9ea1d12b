# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity errors as the stereo benchmarks count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

D1_ABSOLUTE_PX = 3.0
D1_RELATIVE = 0.05
BAD_THRESHOLDS_PX = (1.0, 2.0, 3.0, 4.0)


class StereoScores:
    """Disparity errors pooled over a set of images.

    Every rate comes twice: over *all* valid ground truth, where a pixel without an estimate is
    an error, and over the *matched* pixels, those with an estimate, as is fair to a matcher that
    leaves occlusions open. No holes are filled before scoring.

    Source: KITTI stereo 2015 (Menze and Geiger, CVPR 2015) for D1, KITTI 2012 and Middlebury for
    bad-n. All rates are fractions in [0, 1], NaN where they have no pixels to stand on.
    """

    def __init__(self) -> None:
        self.valid_pixels = 0
        self.matched_pixels = 0
        self.error_sum_px = 0.0
        self.d1_outliers = 0
        self._bad = dict.fromkeys(BAD_THRESHOLDS_PX, 0)

    def accumulate(
        self, disparity: NDArray[np.float32], ground_truth: NDArray[np.float32]
    ) -> None:
        """Add the pixels of one image.

        Args:
            disparity: (H, W) float [px], NaN where there is no estimate.
            ground_truth: (H, W) float [px], NaN where unknown.

        Raises:
            EvaluationError: The two are not floating-point images of one size.
        """
        for name, values in (('disparity', disparity), ('ground-truth disparity', ground_truth)):
            if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
                raise EvaluationError(
                    name, must_be='(H, W) floating point with NaN where unknown',
                    got=f'{values.shape} {values.dtype}', do='convert it to pixels',
                )
        if disparity.shape != ground_truth.shape:
            raise EvaluationError(
                'disparity', must_be=f'{ground_truth.shape} as its ground truth',
                got=disparity.shape, do='match at the size of the ground truth',
            )
        valid = np.isfinite(ground_truth)
        matched = valid & np.isfinite(disparity)
        truth_px = ground_truth[matched].astype(np.float64)
        error_px = np.abs(disparity[matched] - truth_px)
        self.valid_pixels += int(valid.sum())
        self.matched_pixels += int(matched.sum())
        self.error_sum_px += float(error_px.sum())
        outlier = (error_px > D1_ABSOLUTE_PX) & (error_px > D1_RELATIVE * np.abs(truth_px))
        self.d1_outliers += int(outlier.sum())
        for threshold_px in BAD_THRESHOLDS_PX:
            self._bad[threshold_px] += int((error_px > threshold_px).sum())

    @property
    def density(self) -> float:
        """Part of the valid ground truth that has an estimate."""
        return _ratio(self.matched_pixels, self.valid_pixels)

    @property
    def end_point_error_px(self) -> float:
        """Mean absolute error over the matched pixels [px]."""
        return _ratio(self.error_sum_px, self.matched_pixels)

    @property
    def d1_all(self) -> float:
        """Part of all valid pixels off by > 3 px and > 5 %, or without an estimate."""
        return self._over_all(self.d1_outliers)

    @property
    def d1_matched(self) -> float:
        """Part of the matched pixels off by > 3 px and > 5 %."""
        return _ratio(self.d1_outliers, self.matched_pixels)

    def bad_all(self, threshold_px: float) -> float:
        """Part of all valid pixels off by more than 1, 2, 3 or 4 px, or without an estimate.

        Raises:
            EvaluationError: The threshold is another one.
        """
        return self._over_all(self._bad_count(threshold_px))

    def bad_matched(self, threshold_px: float) -> float:
        """Part of the matched pixels off by more than 1, 2, 3 or 4 px.

        Raises:
            EvaluationError: The threshold is another one.
        """
        return _ratio(self._bad_count(threshold_px), self.matched_pixels)

    def _over_all(self, wrong: int) -> float:
        return _ratio(wrong + self.valid_pixels - self.matched_pixels, self.valid_pixels)

    def _bad_count(self, threshold_px: float) -> int:
        if threshold_px not in self._bad:
            raise EvaluationError(
                'bad-pixel threshold', must_be=f'one of {BAD_THRESHOLDS_PX} px',
                got=threshold_px, do='ask for a threshold that is counted',
            )
        return self._bad[threshold_px]


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else float('nan')
