# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every set of images with marked foreign objects, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ldn_perception.datasets.anomaly_folder import AnomalyFolder
from ldn_perception.datasets.anomaly_images import AnomalyImages
from ldn_perception.datasets.fishyscapes import FishyscapesLostAndFound
from ldn_perception.datasets.segment_me_if_you_can import SegmentMeIfYouCan
from ldn_perception.errors import DatasetError

ANOMALY_SETS: dict[str, Callable[[Path], AnomalyImages]] = {
    'anomaly_folder': AnomalyFolder,
    'segment_me_if_you_can': SegmentMeIfYouCan,
    'fishyscapes_lost_and_found': FishyscapesLostAndFound,
}
"""Name -> builder, which takes the folder of the set."""


def build_anomaly_set(name: str, root: Path) -> AnomalyImages:
    """Open a set.

    Args:
        name: One of ANOMALY_SETS.
        root: Its folder.

    Raises:
        DatasetError: There is no such set, or files are missing.
    """
    if name not in ANOMALY_SETS:
        raise DatasetError(
            'anomaly set', must_be=f'one of {", ".join(sorted(ANOMALY_SETS))}', got=name,
            do='ask for one of these',
        )
    return ANOMALY_SETS[name](root)
