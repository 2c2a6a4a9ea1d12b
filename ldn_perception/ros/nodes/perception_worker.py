# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Thread that runs the pipeline on the latest pair."""

from __future__ import annotations

from collections.abc import Callable
import logging
import threading
import time
from typing import Generic, TypeVar

import numpy as np

from ldn_perception.decoding.domain_alarm import DomainAlarm, describe_alarm
from ldn_perception.errors import LdnPerceptionError
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.ros.nodes.diagnostics import Statistics
from ldn_perception.ros.nodes.outputs import Outputs, quantities
from ldn_perception.ros.nodes.stereo_input import StereoMessages
from ldn_perception.types import PerceptionResult, Quantity, StereoFrame

_WAKE_S = 0.1  # period at which an idle worker checks for a stop request
_THROTTLE_S = 5.0  # minimum time between two warnings of the same reason


class PerceptionWorker:
    """Worker that processes the latest pair only; older waiting pairs are dropped.

    Args:
        pipeline: The pipeline.
        outputs: Publishers of the results.
        statistics: Counters; every pair counts once, as processed or as dropped with its reason.
        now_ns: Clock of the node [ns].
        on_frame: Callback on the worker's thread for each pair whose results are published; must
            return quickly.
        alarm: Alarm that receives the OOD share of every pair, unless it is off.
    """

    def __init__(
        self, pipeline: StereoSegmentationPipeline, outputs: Outputs, statistics: Statistics,
        now_ns: Callable[[], int], on_frame: Callable[[StereoFrame], None], alarm: DomainAlarm,
    ) -> None:
        self._pipeline = pipeline
        self._outputs = outputs
        self._statistics = statistics
        self._now_ns = now_ns
        self._on_frame = on_frame
        self._alarm = alarm
        self._slot: LatestSlot[StereoMessages] = LatestSlot()
        self._stopping = threading.Event()
        self._last_warning: dict[str, float] = {}
        self._logger = logging.getLogger(__name__)
        self._thread = threading.Thread(target=self._run, name='perception', daemon=True)
        self.enabled = True
        self.busy_since: float | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, pair: StereoMessages) -> None:
        """Put the latest pair into the slot."""
        self._statistics.receive()
        if self._slot.put(pair) is not None:
            self._statistics.drop('stale')

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop after the current pair; return False if that exceeds the timeout."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def refuse(self, reason: str, error: str) -> None:
        """Count a pair that cannot be processed and log the reason, throttled."""
        count = self._statistics.drop(reason, error)
        now = time.monotonic()
        if now - self._last_warning.get(reason, -_THROTTLE_S) >= _THROTTLE_S:
            self._last_warning[reason] = now
            self._logger.warning('pair dropped (%s, %d so far): %s', reason, count, error)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pair = self._slot.take(_WAKE_S)
            if pair is None:
                continue
            self.busy_since = time.monotonic()
            try:
                self._process(pair)
            except LdnPerceptionError as error:
                self.refuse(error.reason, str(error))
            except Exception as error:  # noqa: BLE001 - a bad frame must not end the node
                if not self._stopping.is_set():
                    self.refuse('internal_error', f'{type(error).__name__}: {error}')
            self.busy_since = None

    def _process(self, pair: StereoMessages) -> None:
        if not self.enabled:
            self._statistics.drop('disabled')
            return
        wanted = self._outputs.wanted()
        if not wanted:
            self._statistics.drop('no_subscriber')
            return
        started = time.perf_counter()
        frame: StereoFrame = pair.to_frame()
        decoded = time.perf_counter()
        needed = quantities(wanted)
        if not self._alarm.rule.is_off:
            needed |= Quantity.OOD_MASK
        result = self._pipeline.process(frame, needed)
        processed = time.perf_counter()
        self._outputs.publish(result, wanted)
        published = time.perf_counter()
        if result.disparity is not None:
            self._statistics.note_disparity(result.disparity.density, result.disparity.problem)
        self._statistics.note_non_finite(result.segmentation.num_non_finite)
        self._statistics.finish((self._now_ns() - frame.stamp_ns) / 1e9, {
            'wait': started - pair.received_s,
            'messages_in': decoded - started,
            **result.seconds,
            'messages_out': published - processed,
        })
        self._watch_domain(result)
        self._on_frame(frame)

    def _watch_domain(self, result: PerceptionResult) -> None:
        alarm, mask = self._alarm, result.segmentation.ood_mask
        if alarm.rule.is_off or mask is None:
            return
        was_raised = alarm.state.raised_s is not None
        state = alarm.update(result.frame.stamp_ns, np.count_nonzero(mask) / mask.size)
        if state.raised_s is not None and not was_raised:
            self._logger.warning('%s', describe_alarm(state, alarm.rule))
        elif was_raised and state.raised_s is None:
            self._logger.info('in domain again: OOD share %.2f', state.ood_share)


Item = TypeVar('Item')


class LatestSlot(Generic[Item]):
    """Slot for the latest item between two threads; an item not yet taken is replaced."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._changed = threading.Condition()

    def put(self, item: Item) -> Item | None:
        """Store an item and return the untaken item it replaces, if any."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float) -> Item | None:
        """Take the item, waiting for it if needed; None after the timeout."""
        with self._changed:
            if self._item is None:
                self._changed.wait(timeout_s)
            item, self._item = self._item, None
            return item
