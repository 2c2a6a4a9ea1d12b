# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding with a fully connected conditional random field."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import itertools

import numba
import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional as F

from ldn_perception.decoding.decoder import Decoder, OodRule, check_logits
from ldn_perception.decoding.gaussian_filters import PermutohedralLattice, SeparableGaussian
from ldn_perception.decoding.non_finite import finite_cells, mark_non_finite
from ldn_perception.errors import SegmentationError
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import Quantity, Segmentation


class CrfDecoder:
    """Refines the probabilities with a CRF before another decoder.

    Args:
        taxonomy: Classes of the logits' channels.
        crf: Refines the probabilities at full resolution, on the CPU.
        decoder: Decodes log Q as logits; its softmax gives the refined probabilities Q.
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
            logits: (1, C, h, w) float tensor, one channel per class of the taxonomy.
            image: (H, W, 3) uint8 RGB input image of the network.
            rule: Threshold and label policy.
            quantities: Quantities to compute besides the labels.

        Raises:
            SegmentationError: The logits do not fit the taxonomy.
        """
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        is_finite = finite_cells(logits[0])
        # All classes equal where nothing is known: the filters would spread a NaN to every pixel.
        known = logits.float().masked_fill(~is_finite, 0)
        scores = F.interpolate(known, shape, mode='bilinear', align_corners=False)
        probabilities = self._crf.refine(scores[0].softmax(0).cpu().numpy(), image)
        refined = torch.from_numpy(np.maximum(probabilities, SMALLEST_PROBABILITY)).log()[None]
        return mark_non_finite(
            self._decoder.decode(refined, image, rule, quantities), is_finite.cpu().numpy())


SMALLEST_PROBABILITY = np.finfo(np.float32).tiny
"""Lower limit of probabilities, so that their logarithm is finite."""


@dataclass(frozen=True, slots=True)
class CrfParameters:
    """Weights and widths of the two Gaussian kernels of the pairwise potential.

    The potential of two pixels with different labels is
    w1 exp(-|p_i - p_j|^2 / (2 theta_alpha^2) - |I_i - I_j|^2 / (2 theta_beta^2))
    + w2 exp(-|p_i - p_j|^2 / (2 theta_gamma^2)), and zero if the labels are equal.

    Source: Kraehenbuehl, Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge
    Potentials (NIPS 2011), eq. 3, with w1 and w2 for w(1) and w(2).

    Attributes:
        appearance_weight: w1, >= 0.
        position_deviation_px: theta_alpha, > 0 [px].
        color_deviation: theta_beta, > 0 [grey levels of 255].
        smoothness_weight: w2, >= 0.
        smoothness_deviation_px: theta_gamma, > 0 [px].
        num_iterations: Mean-field iterations, >= 0.

    Raises:
        SegmentationError: A value is out of its range.
    """

    appearance_weight: float = 5.0
    position_deviation_px: float = 70.0
    color_deviation: float = 6.0
    smoothness_weight: float = 3.0
    smoothness_deviation_px: float = 3.0
    num_iterations: int = 10

    def __post_init__(self) -> None:
        for name in ('appearance_weight', 'smoothness_weight', 'num_iterations'):
            self._require(name, getattr(self, name) >= 0, '>= 0')
        for name in ('position_deviation_px', 'color_deviation', 'smoothness_deviation_px'):
            self._require(name, getattr(self, name) > 0, '> 0')

    def _require(self, name: str, is_met: bool, must_be: str) -> None:
        if not is_met:
            raise SegmentationError(
                f'CRF {name}', must_be=must_be, got=getattr(self, name),
                do='start from one of the presets',
            )


CRF_PRESETS = {
    'thesis': CrfParameters(),
    'deeplab': CrfParameters(
        appearance_weight=4.0, position_deviation_px=67.0, color_deviation=3.0,
        smoothness_weight=3.0, smoothness_deviation_px=1.0),
    'deeplab_vgg16': CrfParameters(
        appearance_weight=4.0, position_deviation_px=65.0, color_deviation=3.0,
        smoothness_weight=2.0, smoothness_deviation_px=2.0),
}
"""Name -> parameters.

thesis: section 3.4 fixes w2 = 3, theta_gamma = 3 and 10 iterations, and searches the rest on the
grid THESIS_GRID without printing the result. This is the middle of the grid, with the smaller w1.
deeplab, deeplab_vgg16: parameters released by the authors of DeepLab v2 (Chen et al., TPAMI 2018)
for their ResNet-101 and VGG-16 models; the paper prints only the search ranges.
"""

THESIS_GRID = tuple(
    CrfParameters(appearance_weight, position_deviation_px, color_deviation)
    for appearance_weight, position_deviation_px, color_deviation in itertools.product(
        (5.0, 10.0), (50.0, 60.0, 70.0, 80.0, 90.0), (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0))
)
"""The 70 parameter sets of the search in thesis section 3.4."""


class DenseCrf:
    """Mean-field inference in the fully connected CRF of an image.

    The unary potential is -log p. Q starts as p; each iteration replaces it by the softmax of
    log p_i(l) + sum_m w_m sum_j k_m(i, j) / sqrt(z_m(i) z_m(j)) Q_j(l), which is eq. 4 of the
    source with Potts compatibility, without terms common to all labels of a pixel.

    Source: Kraehenbuehl and Koltun (NIPS 2011), algorithm 1. As in their published code, and
    unlike the paper, kernels are normalised symmetrically by z_m(i) = sum_j k_m(i, j), and a
    pixel is its own neighbour. The smoothness kernel is summed exactly up to four standard
    deviations, whereas their code uses the lattice.

    Args:
        parameters: Kernel weights, kernel widths, number of iterations.
        num_threads: Threads that share the work; the result does not depend on it.
    """

    def __init__(self, parameters: CrfParameters, num_threads: int = 1) -> None:
        self._parameters = parameters
        self._num_parts = 4 * num_threads
        self._pool = ThreadPoolExecutor(num_threads, 'crf')

    def refine(
        self, probabilities: NDArray[np.float32], image: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """Refine probabilities so that nearby pixels of similar colour become more alike.

        Args:
            probabilities: (C, H, W) float32 in [0, 1], with sum 1 over the classes.
            image: (H, W, 3) uint8 RGB.

        Returns:
            (C, H, W) float32, contiguous: Q after the last iteration.

        Raises:
            SegmentationError: The image is not 8-bit RGB of the size of the probabilities.
        """
        _check(probabilities, image)
        num_classes = probabilities.shape[0]
        # Pixel-major, so that the filters process the classes of a pixel as one vector.
        marginals = np.ascontiguousarray(probabilities.reshape(num_classes, -1).T)
        log_probabilities = np.log(np.maximum(marginals, SMALLEST_PROBABILITY))
        appearance, smoothness = self._kernels(image)
        for _ in range(self._parameters.num_iterations):
            marginals = self._normalise(
                log_probabilities, appearance.filter(marginals), smoothness.filter(marginals))
        return np.ascontiguousarray(marginals.T).reshape(probabilities.shape)

    def _kernels(
        self, image: NDArray[np.uint8],
    ) -> tuple[PermutohedralLattice, SeparableGaussian]:
        parameters = self._parameters
        return (
            PermutohedralLattice(
                appearance_features(
                    image, parameters.position_deviation_px, parameters.color_deviation),
                self._pool, self._num_parts),
            SeparableGaussian(
                image.shape[:2], parameters.smoothness_deviation_px, self._pool,
                self._num_parts),
        )

    def _normalise(
        self, log_probabilities: NDArray[np.float32], appearance: NDArray[np.float32],
        smoothness: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        appearance_weight = np.float32(self._parameters.appearance_weight)
        smoothness_weight = np.float32(self._parameters.smoothness_weight)
        marginals = np.empty_like(log_probabilities)

        def normalise_rows(first: int, last: int) -> None:
            _weighted_softmax(
                first, last, log_probabilities, appearance, smoothness, appearance_weight,
                smoothness_weight, marginals)

        bounds = np.linspace(0, len(marginals), self._num_parts + 1).astype(np.int64)
        for _ in self._pool.map(normalise_rows, bounds[:-1], bounds[1:]):
            pass
        return marginals


def appearance_features(
    image: NDArray[np.uint8], position_deviation_px: float, color_deviation: float,
) -> NDArray[np.float32]:
    """Position and colour of every pixel in units of their standard deviations.

    Args:
        image: (H, W, 3) uint8 RGB.
        position_deviation_px: theta_alpha [px].
        color_deviation: theta_beta [grey levels of 255].

    Returns:
        (H W, 5) float32: x, y, red, green, blue; in row-major order.
    """
    features = np.empty((*image.shape[:2], 5), np.float32)
    features[..., 0] = np.arange(image.shape[1]) / position_deviation_px
    features[..., 1] = np.arange(image.shape[0])[:, None] / position_deviation_px
    features[..., 2:] = image / np.float32(color_deviation)
    return features.reshape(-1, 5)


def _check(probabilities: NDArray[np.float32], image: NDArray[np.uint8]) -> None:
    expected = (*probabilities.shape[1:], 3)
    if image.shape != expected or image.dtype != np.uint8:
        raise SegmentationError(
            'CRF image', must_be=f'{expected} uint8 as the probabilities',
            got=f'{image.shape} {image.dtype}', do='give the image the network saw',
        )


@numba.njit(nogil=True, cache=True, fastmath={'contract'})
def _weighted_softmax(  # type: ignore[no-untyped-def]
    first, last, unary, appearance, smoothness, appearance_weight, smoothness_weight, marginals,
):
    num_classes = unary.shape[1]
    for n in range(first, last):
        best = np.float32(-np.inf)
        for c in range(num_classes):
            score = (unary[n, c] + appearance_weight * appearance[n, c]
                     + smoothness_weight * smoothness[n, c])
            marginals[n, c] = score
            best = max(best, score)
        total = np.float32(0)
        for c in range(num_classes):
            marginals[n, c] = np.exp(marginals[n, c] - best)
            total += marginals[n, c]
        for c in range(num_classes):
            marginals[n, c] /= total
