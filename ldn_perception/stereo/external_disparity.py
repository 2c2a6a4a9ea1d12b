# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity that another node has computed."""

from __future__ import annotations

from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap, StereoFrame


class ExternalDisparity:
    """Hands on the disparity that came with the pair."""

    gives_confidence = False

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity that came with the frame.

        Raises:
            StereoError: None came.
        """
        if frame.external_disparity is None:
            raise StereoError(
                'frame for the external matcher', must_be='one with an external disparity',
                got='none', do='set stereo.matcher to sgbm or publish the disparity',
                reason='no_disparity',
            )
        return frame.external_disparity
