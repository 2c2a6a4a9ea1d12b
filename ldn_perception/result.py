# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the Python API as arrays, pictures and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.images import encode_disparity
from ldn_perception.errors import ConfigError, OutputError
from ldn_perception.pictures import Picture, color_labels, overlay
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import UNLABELLED, CameraGeometry, DisparityMap, Segmentation

DEFAULT_OPACITY = 0.5
"""Opacity of the class colours of an overlay."""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Result of one image or pair.

    Attributes:
        image: (H, W, 3) uint8 RGB, the left image.
        labels: (H, W) uint8 class ids, 255 = unlabelled.
        confidence: (H, W) float32 in [0, 1], probability of the most probable class.
        foreign_probability: (H, W) float32 in [0, 1], summed probability of the foreign classes.
        ood_mask: (H, W) bool, True where foreign_probability is above the threshold.
        taxonomy: Class list of the labels.
        geometry: Rectified stereo geometry; None for a single image without a camera.
        stamp_ns: Time of exposure [ns]; 0 if unknown.
        seconds: Wall time of each stage [s].
        made_by: Names of model, weights, taxonomy and engine.
        match: Function that computes the disparity; None without stereo.
        num_non_finite: Number of pixels for which the network's output is not finite: label 255,
            confidence 0, foreign probability 1, in the mask.
    """

    image: Picture
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    foreign_probability: NDArray[np.float32]
    ood_mask: NDArray[np.bool_]
    taxonomy: Taxonomy
    geometry: CameraGeometry | None = None
    stamp_ns: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)
    match: Callable[[], DisparityMap] | None = None
    num_non_finite: int = 0

    def __repr__(self) -> str:
        height, width = self.labels.shape
        return (f'Result({width}x{height}, {len(self.class_names)} classes, '
                f'{self.ood_share:.1%} out of distribution)')

    def _repr_png_(self) -> bytes:
        """Overlay as PNG, shown by notebooks."""
        return _png(self.overlay()[..., ::-1])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return self.taxonomy.class_names

    @property
    def colors(self) -> NDArray[np.uint8]:
        """Class colours, (C, 3) uint8 RGB."""
        return np.asarray(self.taxonomy.palette[:len(self.taxonomy)])

    @property
    def ood_share(self) -> float:
        """Share of out-of-distribution pixels, in [0, 1]."""
        return float(self.ood_mask.mean())

    @cached_property
    def disparity(self) -> NDArray[np.float32] | None:
        """Disparity of the left image, computed on first access.

        Returns:
            (H, W) float32 [px], NaN where unknown; None without stereo.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        return None if self.match is None else self.match().to_host()

    @cached_property
    def depth(self) -> NDArray[np.float32] | None:
        """Depth of the pixels along the optical axis.

        Returns:
            (H, W) float32 [m], NaN where unknown; None without stereo.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        if self.disparity is None or self.geometry is None:
            return None
        return self.geometry.depth(self.disparity)

    @cached_property
    def points(self) -> NDArray[np.float32] | None:
        """Points of the pixels in the left optical frame: x right, y down, z forward.

        Returns:
            (H, W, 3) float32 [m], NaN where unknown; None without stereo.

        Raises:
            StereoError: The matcher cannot work on the pair.
        """
        if self.depth is None or self.geometry is None:
            return None
        return self.geometry.points(self.depth)

    def overlay(self, opacity: float = DEFAULT_OPACITY) -> Picture:
        """Draw the class colours over the image, out of distribution in cyan.

        Args:
            opacity: Opacity of the colours, in [0, 1].

        Returns:
            (H, W, 3) uint8 RGB.
        """
        segmentation = Segmentation(self.taxonomy.name, self.labels, self.ood_mask)
        return overlay(self.image, segmentation, self.taxonomy, opacity)

    def label_counts(self) -> dict[str, int]:
        """Number of pixels of each class by name, and of 'unlabelled'."""
        counts = np.bincount(self.labels.ravel(), minlength=UNLABELLED + 1)
        names = dict(enumerate(self.class_names)) | {UNLABELLED: 'unlabelled'}
        return {name: int(counts[label]) for label, name in names.items()}

    def summary(self) -> dict[str, Any]:
        """Summary of the result as JSON-compatible values.

        Returns:
            Width and height [px], stamp [ns], shares in [0, 1] of out-of-distribution pixels and
            of the classes that occur, mean confidence, number of pixels with non-finite network
            output, seconds of the stages, and names of model, weights, taxonomy and engine.
        """
        height, width = self.labels.shape
        return {
            'width': width,
            'height': height,
            'stamp_ns': self.stamp_ns,
            'ood_share': self.ood_share,
            'label_shares': {
                name: count / self.labels.size
                for name, count in self.label_counts().items() if count},
            'mean_confidence': float(self.confidence.mean(dtype=np.float64)),
            'non_finite_pixels': self.num_non_finite,
            'seconds': dict(self.seconds),
            'made_by': dict(self.made_by),
        }

    def save(
        self, folder: str | Path, name: str, artefacts: Iterable[str] = (
            'labels', 'ood', 'overlay', 'json'),
    ) -> list[Path]:
        """Write files, each as FOLDER/ARTEFACT/NAME.png or .json.

        Args:
            folder: Output folder; created if missing. Files of the same names are replaced.
            name: File name without suffix; may contain folders.
            artefacts: Keys of ARTEFACTS. Those that need stereo are skipped without it.

        Returns:
            Paths of the written files.

        Raises:
            ConfigError: An artefact is unknown.
            OutputError: A file cannot be written.
            StereoError: The disparity is requested and cannot be computed.
        """
        artefacts = check_artefacts(artefacts)
        written = []
        for artefact in artefacts:
            content = ARTEFACTS[artefact](self)
            if content is None:
                continue
            suffix = 'json' if artefact == 'json' else 'png'
            path = Path(folder) / artefact / f'{name}.{suffix}'
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except OSError as error:
                raise OutputError(
                    f'output {path}', must_be='writable', got=error.strerror or str(error),
                    do='choose another folder, or free some space') from error
            written.append(path)
        return written


def check_artefacts(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of artefacts if all of them are known.

    Raises:
        ConfigError: A name is unknown.
    """
    names = tuple(names)
    for name in names:
        if name not in ARTEFACTS:
            raise ConfigError(
                'artefact to save', must_be=f'one of {", ".join(ARTEFACTS)}', got=repr(name),
                do='choose one of them')
    return names


def _share_png(values: NDArray[np.float32]) -> bytes:
    return _png(np.round(np.clip(values, 0, 1) * 65535).astype(np.uint16))


def _disparity_png(result: Result) -> bytes | None:
    return None if result.disparity is None else _png(encode_disparity(result.disparity))


def _json(result: Result) -> bytes:
    return (json.dumps(result.summary(), indent=2) + '\n').encode()


def _png(pixels: NDArray[Any]) -> bytes:
    """Encode grey or BGR pixels as PNG."""
    encoded = cv2.imencode('.png', np.ascontiguousarray(pixels))[1]
    return bytes(encoded)


ARTEFACTS: dict[str, Callable[[Result], bytes | None]] = {
    'labels': lambda result: _png(result.labels),
    'labels_color': lambda result: _png(color_labels(result.labels, result.taxonomy)[..., ::-1]),
    'ood': lambda result: _png(result.ood_mask.astype(np.uint8) * np.uint8(255)),
    'overlay': lambda result: _png(result.overlay()[..., ::-1]),
    'confidence': lambda result: _share_png(result.confidence),
    'foreign_probability': lambda result: _share_png(result.foreign_probability),
    'disparity': _disparity_png,
    'json': _json,
}
"""Encoders of the files of a result: class ids (255 = unlabelled), class colours, mask (0 or 255),
overlay, confidence and foreign probability (16 bit, 65535 = 1), disparity (16 bit, 256 per pixel,
0 = unknown), and the summary as JSON."""
