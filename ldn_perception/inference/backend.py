# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every backend does: a library that runs exported networks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Engine


class Backend(Protocol):
    """Makes an engine for one size of images, in two steps: export once, load at every start."""

    @property
    def name(self) -> str:
        """As in the options: 'openvino'."""
        ...

    @property
    def fingerprint(self) -> str:
        """All that makes artefacts differ beside network and size: library, version, arithmetic.

        Artefacts of one fingerprint are never loaded by a backend with another.
        """
        ...

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """Write what `load` needs into an empty folder; may take minutes.

        Raises:
            InferenceError: The library cannot take the network.
        """
        ...

    def load(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> Engine:
        """Engine for images of this size from what `export` wrote.

        Args:
            network: The network that was exported.
            size: The size it was exported for.
            folder: Where `export` wrote.

        Raises:
            InferenceError: The artefact is damaged or missing.
        """
        ...
