# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the node, as they stand in a recorded bag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.bags.message_types import deserialize
from ldn_perception.bags.raw_messages import RawBag, read_stamp
from ldn_perception.frames import CameraGeometry
from ldn_perception.messages import image_from_message, plane_from_message


@dataclass(slots=True)
class RecordedResult:
    """Everything that was published for one pair.

    Attributes:
        stamp_ns: Stamp of the pair as it was played [ns].
        published_ns: When the first of it was published [ns].
        images: labels, ood_mask, foreign_probability, overlay, disparity as arrays. Disparity is
            less the offset between the principal points, as it is published [px].
    """

    stamp_ns: int
    published_ns: int
    images: dict[str, NDArray[Any]] = field(default_factory=dict)

    def seen_by(self, geometry: CameraGeometry) -> RecordedResult:
        """Return the result with the disparity x_l - x_r of a rig."""
        if 'disparity' not in self.images:
            return self
        disparity = self.images['disparity'] + np.float32(geometry.disparity_offset)
        return replace(self, images={**self.images, 'disparity': disparity})


def read_results(
    path: Path, topics: Sequence[str] | None = None,
) -> Iterator[RecordedResult]:
    """Results in the order they were published.

    Args:
        path: Bag of the recorder, or another one.
        topics: Topics of the results; None where the bag holds them and diagnostics only.

    Raises:
        BagError: The bag cannot be read.
    """
    result: RecordedResult | None = None
    for message in RawBag(path).messages(topics):
        if message.topic == '/diagnostics':
            continue
        stamp = read_stamp(message.cdr)
        if result is None or stamp != result.stamp_ns:
            if result is not None:
                yield result
            result = RecordedResult(stamp, message.receive_ns)
        name = message.topic.rpartition('/')[2]
        image = deserialize(message.cdr, message.msgtype)
        result.images[name] = (
            image_from_message(image) if name == 'overlay' else plane_from_message(name, image))
    if result is not None:
        yield result


def read_last_diagnostics(path: Path) -> tuple[str, dict[str, str]]:
    """Message and values of the node's last word about itself.

    Args:
        path: Bag of the recorder.

    Returns:
        The status message and its values; empty when it never spoke.
    """
    last = None
    for message in RawBag(path).messages(['/diagnostics']):
        last = message
    if last is None:
        return '', {}
    status = deserialize(last.cdr, last.msgtype).status[0]
    return status.message, {entry.key: entry.value for entry in status.values}
