# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data types of the pipeline: frames as input, results as output."""

from __future__ import annotations

from dataclasses import dataclass, field
import enum
import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ldn_perception.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    import torch

UNLABELLED = 255
"""Label of a pixel without a class: void in ground truth, foreign in a published label image."""

_FARTHEST_M = np.float32(1e9)


class Quantity(enum.Flag):
    """Optional quantities besides the labels; those not requested are not computed."""

    NOTHING = 0
    OOD_MASK = enum.auto()
    CONFIDENCE = enum.auto()
    FOREIGN_PROBABILITY = enum.auto()
    DISPARITY = enum.auto()
    ALL = OOD_MASK | CONFIDENCE | FOREIGN_PROBABILITY | DISPARITY


@dataclass(frozen=True, slots=True)
class CameraGeometry:
    """A rectified stereo camera, seen from its left camera.

    Attributes:
        width: Image width [px].
        height: Image height [px].
        fx: Horizontal focal length after rectification, > 0 [px].
        fy: Vertical focal length after rectification, > 0 [px].
        cx: Left principal point, horizontal [px].
        cy: Principal point, vertical [px].
        cx_right: Right principal point, horizontal [px]; equals cx unless the cameras verge.
        baseline: Distance between the optical centres, > 0 [m].

    Raises:
        FrameError: A value is not finite, or must be positive and is not.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    cx_right: float
    baseline: float

    def __post_init__(self) -> None:
        for name in ('fx', 'fy', 'cx', 'cy', 'cx_right', 'baseline'):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise FrameError(
                    f'camera geometry {name}', must_be='finite', got=value,
                    do='check the calibration in camera_info', reason='calibration',
                )
        for name in ('width', 'height', 'fx', 'fy', 'baseline'):
            value = getattr(self, name)
            if value <= 0:
                raise FrameError(
                    f'camera geometry {name}', must_be='> 0', got=value,
                    do='calibrate the stereo rig', reason='calibration',
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Image shape (height, width) [px]."""
        return self.height, self.width

    @property
    def disparity_offset(self) -> float:
        """Disparity of a point at infinity, cx - cx_right [px]."""
        return self.cx - self.cx_right

    def depth(self, disparity: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth of every pixel along the optical axis.

        Args:
            disparity: (H, W) float32 [px], NaN where unknown.

        Returns:
            (H, W) float32 [m], Z = fx B / (d - (cx - cx_right)); NaN where the disparity is NaN
            or infinite, or the point is not in front of the camera, or is farther than 1e9 m.
        """
        shifted = disparity - np.float32(self.disparity_offset)
        depth: NDArray[np.float32] = np.full_like(shifted, np.nan)
        at_1_m = np.float32(self.fx * self.baseline)
        is_known = (shifted > at_1_m / _FARTHEST_M) & (shifted < np.float32(np.inf))
        np.divide(at_1_m, shifted, out=depth, where=is_known)
        return depth

    def points(self, depth: NDArray[np.float32], stride: int = 1) -> NDArray[np.float32]:
        """Points of the pixels in the left optical frame: x right, y down, z forward.

        Args:
            depth: (h, w) float32 [m] of every stride-th row and column, NaN where unknown.
            stride: Step between these rows and columns [px].

        Returns:
            (h, w, 3) float32 [m], NaN where the depth is unknown.
        """
        rows = np.arange(0, self.height, stride, dtype=np.float32)[:, None]
        columns = np.arange(0, self.width, stride, dtype=np.float32)[None, :]
        points = np.empty((*depth.shape, 3), np.float32)
        points[..., 0] = (columns - self.cx) * depth / self.fx
        points[..., 1] = (rows - self.cy) * depth / self.fy
        points[..., 2] = depth
        return points


@dataclass(frozen=True, slots=True)
class DisparityMap:
    """Disparity of the left image.

    Attributes:
        values: (H, W) float32 tensor on the matcher's device [px]; NaN is the only mark of an
            unknown disparity.
        min_disparity: Smallest disparity searched [px].
        max_disparity: Largest disparity searched [px].
        step: Resolution of the disparity [px].
        confidence: (H, W) float32 tensor on the same device, in [0, 1]; 0 where the disparity is
            unknown or was filled in rather than matched. None if the matcher provides none.
        problem: Reason why no pixel could be matched; empty if the matcher ran.

    Raises:
        FrameError: The values or the confidence are not a two-dimensional float32 tensor, their
            shapes differ, or the range is empty.
    """

    values: torch.Tensor
    min_disparity: float
    max_disparity: float
    step: float = 1 / 16
    confidence: torch.Tensor | None = None
    problem: str = ''

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or str(self.values.dtype) != 'torch.float32':
            raise FrameError(
                'disparity values', must_be='a (H, W) float32 tensor',
                got=f'{tuple(self.values.shape)} {self.values.dtype}', do='fix the matcher',
            )
        confidence = self.confidence
        if confidence is not None and (
                confidence.shape != self.values.shape
                or str(confidence.dtype) != 'torch.float32'):
            raise FrameError(
                'disparity confidence', must_be=f'{tuple(self.values.shape)} float32',
                got=f'{tuple(confidence.shape)} {confidence.dtype}', do='fix the matcher',
            )
        if not self.min_disparity < self.max_disparity:
            raise FrameError(
                'disparity range', must_be='min < max',
                got=f'[{self.min_disparity}, {self.max_disparity}]', do='fix the matcher',
            )

    @property
    def density(self) -> float:
        """Share of the pixels with a known disparity, in [0, 1]."""
        return float(self.values.isfinite().sum()) / self.values.numel()

    def to_host(self) -> NDArray[np.float32]:
        """Disparity as a (H, W) float32 array in host memory [px], NaN where unknown."""
        return self.values.cpu().numpy()


@dataclass(frozen=True, slots=True)
class StereoFrame:
    """A synchronised, rectified stereo pair.

    Attributes:
        stamp_ns: Time of exposure [ns].
        frame_id: Optical frame of the left camera.
        left: (H, W, 3) uint8 RGB.
        right: (H, W, 3) uint8 RGB; None if an external disparity replaces it.
        geometry: Stereo geometry; its width and height are those of the images.
        external_disparity: Disparity received with the pair instead of computed from it.

    Raises:
        FrameError: Shapes or dtypes do not fit, or there is neither a right image nor a
            disparity.
    """

    stamp_ns: int
    frame_id: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8] | None
    geometry: CameraGeometry
    external_disparity: DisparityMap | None = None

    def __post_init__(self) -> None:
        expected = (*self.geometry.shape, 3)
        for side in ('left', 'right'):
            image = getattr(self, side)
            if image is None:
                continue
            if image.shape != expected or image.dtype != np.uint8:
                raise FrameError(
                    f'{side} image', must_be=f'{expected} uint8 as camera_info says',
                    got=f'{image.shape} {image.dtype}',
                    do='publish both images at the size that was calibrated',
                    reason='size_mismatch',
                )
        if self.right is None and self.external_disparity is None:
            raise FrameError(
                'stereo frame', must_be='a right image or an external disparity', got='neither',
                do='subscribe to one of them',
            )
        if self.external_disparity is not None:
            shape = tuple(self.external_disparity.values.shape)
            if shape != self.geometry.shape:
                raise FrameError(
                    'external disparity', must_be=f'{self.geometry.shape} as the left image',
                    got=shape, do='publish it at the size of the left image',
                    reason='size_mismatch',
                )


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Segmentation of the left image, in host memory.

    Attributes:
        taxonomy: Name of the taxonomy of the labels.
        labels: (H, W) uint8 class ids, 255 = unlabelled.
        ood_mask: (H, W) bool, foreign probability above the threshold.
        confidence: (H, W) float32 in [0, 1], probability of the most probable class.
        foreign_probability: (H, W) float32 in [0, 1], sum over the foreign classes.
        num_non_finite: Number of pixels for which the network's output is not finite. They have
            label 255, confidence 0 and foreign probability 1, and are in the mask.

    Mask, confidence and foreign probability are None if they were not requested.
    """

    taxonomy: str
    labels: NDArray[np.uint8]
    ood_mask: NDArray[np.bool_] | None = None
    confidence: NDArray[np.float32] | None = None
    foreign_probability: NDArray[np.float32] | None = None
    num_non_finite: int = 0

    def __post_init__(self) -> None:
        for name, dtype in (
            ('labels', np.uint8), ('ood_mask', np.bool_),
            ('confidence', np.float32), ('foreign_probability', np.float32),
        ):
            values = getattr(self, name)
            if values is not None and (values.shape != self.labels.shape or values.dtype != dtype):
                raise FrameError(
                    f'segmentation {name}', must_be=f'{self.labels.shape} {np.dtype(dtype)}',
                    got=f'{values.shape} {values.dtype}', do='fix the decoder',
                )


@dataclass(frozen=True, slots=True)
class PerceptionResult:
    """Result of the pipeline for one pair.

    Attributes:
        frame: The pair.
        segmentation: Labels and probabilities of the left image.
        disparity: Disparity of the left image; None if neither the model nor the caller needs
            it.
        seconds: Wall time of each stage [s], in the order of the pipeline; the sum is the time
            of the pair.
        pixels_per_metre: (H, W) float32 [px/m], NaN where unknown: input of the network's scale
            selection; None for other networks.
    """

    frame: StereoFrame
    segmentation: Segmentation
    disparity: DisparityMap | None
    seconds: dict[str, float] = field(default_factory=dict)
    pixels_per_metre: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class GroundGrid:
    """Occupancy grid of the ground in front of a camera.

    Attributes:
        cells: (across, ahead) int8: FREE, OCCUPIED or UNKNOWN. The first index runs to the left,
            the second one forward; cell (0, 0) is the rightmost one beside the camera.
        resolution_m: Side of a cell [m], > 0.
        x_m: Outer corner of cell (0, 0) in the level frame, x [m].
        y_m: Outer corner of cell (0, 0) in the level frame, y [m].
        yaw_rad: Direction of the second index in the level frame [rad]; 0 is along x, positive
            to the left.

    Raises:
        FrameError: The cells are not a two-dimensional int8 array, or the resolution is not > 0.
    """

    FREE: ClassVar[int] = 0
    OCCUPIED: ClassVar[int] = 100
    UNKNOWN: ClassVar[int] = -1

    cells: NDArray[np.int8]
    resolution_m: float
    x_m: float
    y_m: float
    yaw_rad: float

    def __post_init__(self) -> None:
        if self.cells.ndim != 2 or self.cells.dtype != np.int8:
            raise FrameError(
                'cells of a grid', must_be='(across, ahead) int8',
                got=f'{self.cells.shape} {self.cells.dtype}', do='fix what built the grid')
        if not self.resolution_m > 0:
            raise FrameError(
                'resolution of a grid', must_be='> 0 m', got=self.resolution_m,
                do='fix what built the grid')
