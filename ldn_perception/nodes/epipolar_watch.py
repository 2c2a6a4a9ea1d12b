# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that looks, once, whether the pairs that come in are rectified."""

from __future__ import annotations

from dataclasses import dataclass, field
import logging
import threading
import time

from ldn_perception.frames import StereoFrame
from ldn_perception.rectification.epipolar_check import measure_epipolar_residual

_ATTEMPTS = 10
_BETWEEN_ATTEMPTS_S = 1.0  # by then a camera that saw nothing may see something


@dataclass(frozen=True, slots=True)
class PairCheck:
    """What the first pairs told of the cameras.

    Attributes:
        values: For diagnostics: 'epipolar.vertical_px' and 'epipolar.matches', or 'epipolar.state'
            until they are known.
        warning: What is wrong and what to do about it; empty if nothing is.
    """

    values: dict[str, str] = field(default_factory=lambda: {'epipolar.state': 'not checked yet'})
    warning: str = ''


class EpipolarWatch:
    """Checks the first pair that shows enough, in a thread of its own that ends.

    Args:
        rectify: Whether the node rectifies the images itself; for the advice.
    """

    def __init__(self, rectify: bool) -> None:
        self._rectify = rectify
        self._logger = logging.getLogger(__name__)
        self._thread: threading.Thread | None = None
        self._attempts = 0
        self._begun_s = 0.0
        self._stopped = False
        self._decided = False
        self.check = PairCheck()

    def offer(self, frame: StereoFrame) -> None:
        """Take a pair if one is needed; returns at once."""
        now = time.monotonic()
        if (
            self._stopped or self._decided or self._attempts == _ATTEMPTS
            or (self._thread is not None and self._thread.is_alive())
            or (self._attempts and now - self._begun_s < _BETWEEN_ATTEMPTS_S)
        ):
            return
        self._attempts += 1
        self._begun_s = now
        self._thread = threading.Thread(
            target=self._look, args=(frame,), name='epipolar', daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Take no more pairs; False if the one in work takes longer than the timeout."""
        self._stopped = True
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _look(self, frame: StereoFrame) -> None:
        if frame.right is None:
            self._decided = True
            self.check = PairCheck({'epipolar.state': 'not checked: there is no right image'})
            return
        try:
            residual = measure_epipolar_residual(frame)
        except Exception as error:  # noqa: BLE001 - the node never dies from a frame
            self._decided = True
            self._logger.warning('cannot check the rectification: %s', error)
            self.check = PairCheck({'epipolar.state': f'not checked: {error}'})
            return
        if residual is None:
            self.check = PairCheck(
                {'epipolar.state': f'too few matches in {self._attempts} pairs to tell'})
            return
        self._decided = True
        warning = residual.complaint(self._rectify)
        if warning:
            self._logger.warning('%s', warning)
        self.check = PairCheck({
            'epipolar.vertical_px': f'{residual.vertical_px:.2f}',
            'epipolar.matches': str(residual.num_matches),
        }, warning)
