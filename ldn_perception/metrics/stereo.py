# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity errors as defined by the stereo benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

D1_ABSOLUTE_PX = 3.0
D1_RELATIVE = 0.05
BAD_THRESHOLDS_PX = (1.0, 2.0, 3.0, 4.0)
_STEPS_PER_PX = 1 << 16


class StereoScores:
    """Disparity errors pooled over a set of images.

    Every rate has two versions. Over *all* valid ground truth, a pixel without an estimate is an
    error. Over the *matched* pixels, only those with an estimate count, which is fair to matchers
    that leave occlusions open. Holes are not filled before scoring. Scores of several sets add up
    exactly.

    Source: KITTI stereo 2015 (Menze and Geiger, CVPR 2015) for D1, KITTI 2012 and Middlebury for
    bad-n. All rates are fractions in [0, 1], NaN without pixels.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(4 + len(BAD_THRESHOLDS_PX), np.int64)
        """(8,) pixels with ground truth, with an estimate, and D1 outliers; sum of the errors,
        rounded per image to 1/65536 px; pixels off by more than 1, 2, 3 and 4 px."""

    def accumulate(
        self, disparity: NDArray[np.float32], ground_truth: NDArray[np.float32]
    ) -> None:
        """Add the pixels of one image.

        Args:
            disparity: (H, W) float [px], NaN where there is no estimate.
            ground_truth: (H, W) float [px], NaN where unknown.

        Raises:
            EvaluationError: The arrays are not floating-point images of equal size.
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
        outlier = (error_px > D1_ABSOLUTE_PX) & (error_px > D1_RELATIVE * np.abs(truth_px))
        self.counts += [
            int(valid.sum()), int(matched.sum()), int(outlier.sum()),
            round(float(error_px.sum()) * _STEPS_PER_PX),
            *(int((error_px > limit_px).sum()) for limit_px in BAD_THRESHOLDS_PX)]

    def __iadd__(self, other: StereoScores) -> StereoScores:
        """Add the counts of another set."""
        self.counts += other.counts
        return self

    @property
    def valid_pixels(self) -> int:
        """Pixels with ground truth."""
        return int(self.counts[0])

    @property
    def matched_pixels(self) -> int:
        """Pixels with ground truth and an estimate."""
        return int(self.counts[1])

    @property
    def density(self) -> float:
        """Share of the valid ground truth with an estimate."""
        return _ratio(self.matched_pixels, self.valid_pixels)

    @property
    def end_point_error_px(self) -> float:
        """Mean absolute error over the matched pixels [px]."""
        return _ratio(int(self.counts[3]) / _STEPS_PER_PX, self.matched_pixels)

    @property
    def d1_all(self) -> float:
        """Share of all valid pixels off by > 3 px and > 5 %, or without an estimate."""
        return self._over_all(int(self.counts[2]))

    @property
    def d1_matched(self) -> float:
        """Share of the matched pixels off by > 3 px and > 5 %."""
        return _ratio(int(self.counts[2]), self.matched_pixels)

    def bad_all(self, threshold_px: float) -> float:
        """Share of all valid pixels off by more than 1, 2, 3 or 4 px, or without an estimate.

        Raises:
            EvaluationError: The threshold is not 1, 2, 3 or 4.
        """
        return self._over_all(self._bad_count(threshold_px))

    def bad_matched(self, threshold_px: float) -> float:
        """Share of the matched pixels off by more than 1, 2, 3 or 4 px.

        Raises:
            EvaluationError: The threshold is not 1, 2, 3 or 4.
        """
        return _ratio(self._bad_count(threshold_px), self.matched_pixels)

    def _over_all(self, wrong: int) -> float:
        return _ratio(wrong + self.valid_pixels - self.matched_pixels, self.valid_pixels)

    def _bad_count(self, threshold_px: float) -> int:
        if threshold_px not in BAD_THRESHOLDS_PX:
            raise EvaluationError(
                'bad-pixel threshold', must_be=f'one of {BAD_THRESHOLDS_PX} px',
                got=threshold_px, do='ask for a threshold that is counted',
            )
        return int(self.counts[4 + BAD_THRESHOLDS_PX.index(threshold_px)])

    def to_json(self) -> dict[str, float]:
        """Shares in [0, 1] and errors in pixels as JSON values; NaN if undefined."""
        return {
            'valid_pixels': self.valid_pixels,
            'd1_all': self.d1_all,
            'd1_matched': self.d1_matched,
            **{f'bad_{px}_all': self.bad_all(px) for px in (1, 2, 3)},
            **{f'bad_{px}_matched': self.bad_matched(px) for px in (1, 2, 3)},
            'end_point_error_px': self.end_point_error_px,
            'density': self.density,
        }


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else float('nan')
