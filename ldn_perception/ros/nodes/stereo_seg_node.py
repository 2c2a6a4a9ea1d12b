# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Perception node: synchronised stereo pairs in; labels, masks, disparity and depth out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import functools
import logging
import os
import signal
import sys
import time
import traceback

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from ldn_perception.build import (
    Perception,
    build_alarm_rule,
    build_perception,
    build_rule,
    explain_no_weights,
    warm_up,
)
from ldn_perception.config import PerceptionConfig
from ldn_perception.decoding.domain_alarm import DomainAlarm
from ldn_perception.errors import LdnPerceptionError, TaxonomyError
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.ros.nodes.diagnostics import (
    Diagnostics,
    EpipolarWatch,
    PairCheck,
    Snapshot,
    Statistics,
)
from ldn_perception.ros.nodes.free_road_view import FreeRoadView
from ldn_perception.ros.nodes.node_setup import (
    RosLogHandler,
    changed_config,
    check_parameters,
    declare_options,
    read_config,
)
from ldn_perception.ros.nodes.outputs import Outputs, publish_label_info
from ldn_perception.ros.nodes.perception_worker import PerceptionWorker
from ldn_perception.ros.nodes.stereo_input import StereoInput

_STOP_S = 1.0  # at the end of the process, a longer inference is abandoned


Transition = Callable[['StereoSegNode', LifecycleState], TransitionCallbackReturn]


def _told(transition: Transition) -> Transition:
    """Log exceptions of a transition, which rclpy turns silently into a return code."""
    @functools.wraps(transition)
    def guarded(node: StereoSegNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f'{transition.__name__} failed: {traceback.format_exc()}')
            raise

    return guarded


class StereoSegNode(LifecycleNode):
    """Lifecycle node around the pipeline.

    Configure reads the parameters, builds the pipeline and warms it up. It is the only transition
    that can fail, with one error message. Activate subscribes to the inputs.
    """

    def __init__(self) -> None:
        super().__init__('stereo_seg_node')
        self._log_handler = RosLogHandler(self.get_logger())
        logging.getLogger('ldn_perception').addHandler(self._log_handler)
        logging.getLogger('ldn_perception').setLevel(logging.INFO)
        self._parameter_errors = declare_options(self)
        self._config = PerceptionConfig()
        self._perception: Perception | None = None
        self._outputs: Outputs | None = None
        self._free_road: FreeRoadView | None = None
        self._alarm = DomainAlarm(build_alarm_rule(self._config.ood_alarm))
        self._statistics = Statistics()
        self._worker: PerceptionWorker | None = None
        self._input: StereoInput | None = None
        self._watch: EpipolarWatch | None = None
        self._complained_s = 0.0
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def start(self) -> bool:
        """Configure and activate; return False if either failed."""
        success = TransitionCallbackReturn.SUCCESS
        is_active: bool = (
            self.trigger_configure() == success and self.trigger_activate() == success)
        return is_active

    @property
    def autostart(self) -> bool:
        """True if the process configures and activates the node at start."""
        return bool(self.get_parameter('autostart').value)

    @_told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, build and warm up the pipeline, and create the publishers."""
        try:
            if self._parameter_errors:
                raise self._parameter_errors.pop(0)
            self._config = read_config(self)
            # Built in a short-lived thread: OpenMP keeps a team for each thread that has used it.
            # With more teams than cores, every layer of the network takes twice as long.
            with ThreadPoolExecutor(1) as builder:
                self._perception = builder.submit(_build, self._config).result()
            self._free_road = self._build_free_road(self._perception)
        except LdnPerceptionError as error:
            self._perception = None
            self.get_logger().error(f'cannot configure: {error}')
            return TransitionCallbackReturn.FAILURE
        self._offer(self._perception)
        return TransitionCallbackReturn.SUCCESS

    def _build_free_road(self, perception: Perception) -> FreeRoadView | None:
        try:
            return FreeRoadView(self, self._config.free_road, perception.taxonomy)
        except TaxonomyError as error:
            self.get_logger().warning(f'no free road is published: {error}')
            return None

    def _offer(self, perception: Perception) -> None:
        config = self._config
        weights = str(perception.weights or 'UNTRAINED')
        if not perception.is_trained:
            self.get_logger().warning(
                f'UNTRAINED: {explain_no_weights(config.model)}, the network has random weights '
                'and its labels mean nothing')
        calibrated, used = perception.calibrated_threshold, perception.pipeline.rule.threshold
        if calibrated is not None and calibrated != used:
            self.get_logger().warning(
                f'segmentation.ood_threshold is {used:g}, the weights were calibrated for '
                f'{calibrated:g}')
        self._statistics = Statistics()
        self._outputs = Outputs(self, config.output, perception, self._free_road)
        self._alarm = DomainAlarm(build_alarm_rule(config.ood_alarm))
        self._diagnostics = Diagnostics(self, {
            'model': config.model.name,
            'weights': weights,
            'taxonomy': config.model.taxonomy,
            'device': str(perception.device),
            'matcher': config.stereo.matcher,
        }, lambda: perception.pipeline.engine.description, perception.is_trained, self._alarm)
        self._label_info = publish_label_info(self, perception.taxonomy, used)
        self._enable = self.create_service(SetBool, '~/enable', self._on_enable)
        self._enabled = True
        # Simulated time may stand still; this watchdog must not.
        self._timer = self.create_timer(
            config.monitoring.diagnostics_period_s, self._on_timer,
            clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(
            f'configured: {config.model.name} ({weights}) on {perception.device}, '
            f'{len(perception.taxonomy)} classes of {perception.taxonomy.name}')

    @_told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe to the inputs."""
        assert self._perception is not None
        assert self._outputs is not None
        self._watch = EpipolarWatch(self._config.input.rectify)
        self._worker = PerceptionWorker(
            self._perception.pipeline, self._outputs, self._statistics,
            lambda: self.get_clock().now().nanoseconds, self._watch.offer, self._alarm)
        self._worker.enabled = self._enabled
        self._worker.start()
        self._input = StereoInput(
            self, self._config.input, self._config.stereo.matcher, self._worker.put,
            self._on_jump)
        self._active_since = time.monotonic()
        return super().on_activate(state)

    @_told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the current pair."""
        self._end_work(None)
        return super().on_deactivate(state)

    @_told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the pipeline and the topics."""
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._free_road is not None:
            self._free_road.close()
            self._free_road = None
        self._diagnostics.close()
        self.destroy_service(self._enable)
        self.destroy_timer(self._timer)
        if self._label_info is not None:
            self.destroy_publisher(self._label_info)
        if self._perception is not None:
            self._perception.close()
            self._perception = None
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the work in any state."""
        self._end_work(_STOP_S)
        return TransitionCallbackReturn.SUCCESS

    def end(self) -> bool:
        """Stop the work at the end of the process; return False if an inference does not end."""
        logging.getLogger('ldn_perception').removeHandler(self._log_handler)
        if self._perception is not None:
            self._perception.close()
        ended = self._worker is None or self._worker.stop(_STOP_S)
        return (self._watch is None or self._watch.stop(_STOP_S)) and ended

    def _end_work(self, timeout_s: float | None) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._worker is not None:
            self._worker.stop(timeout_s)
            self._worker = None
        if self._watch is not None:
            self._watch.stop(timeout_s)
            self._watch = None

    def _on_jump(self, topic: str) -> None:
        assert self._worker is not None
        self._statistics.receive()  # the unpaired messages count as a pair
        self._worker.refuse(
            'stamp_jump', f'stamps of {topic} jumped back, pairing starts anew')

    def _on_enable(
        self, request: SetBool.Request, response: SetBool.Response,
    ) -> SetBool.Response:
        self._enabled = bool(request.data)
        if self._worker is not None:
            self._worker.enabled = self._enabled
        response.success = True
        response.message = 'enabled' if request.data else 'disabled: pairs are dropped'
        return response

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            if self._perception is None:
                check_parameters(parameters)
            else:
                self._config = changed_config(self._config, parameters)
                self._perception.pipeline.rule = build_rule(
                    self._config.segmentation, self._perception.calibrated_threshold)
                self._alarm.rule = build_alarm_rule(self._config.ood_alarm)
                if self._free_road is not None:
                    self._free_road.change(self._config.free_road)
        except LdnPerceptionError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._outputs is not None:
            self._outputs.config = self._config.output
        return SetParametersResult(successful=True)

    def _on_timer(self) -> None:
        snapshot = self._statistics.snapshot()
        complaint = self._explain_silence(snapshot)
        self._diagnostics.publish(
            snapshot, complaint, PairCheck() if self._watch is None else self._watch.check)
        silence_s = self._config.monitoring.silence_s
        if complaint and time.monotonic() - self._complained_s >= silence_s:
            self._complained_s = time.monotonic()
            self.get_logger().warning(f'no output for {silence_s:g} s: {complaint}')

    def _explain_silence(self, snapshot: Snapshot) -> str | None:
        """Explain why there has been no output for a while; None if there is output."""
        if self._input is None or self._worker is None:
            return None
        silent_s = min(snapshot.age_of_last_result_s, time.monotonic() - self._active_since)
        if silent_s < self._config.monitoring.silence_s:
            return None
        if not self._worker.enabled:
            return 'disabled by the ~/enable service'
        if self._worker.busy_since is not None:
            busy_s = time.monotonic() - self._worker.busy_since
            if busy_s > self._config.monitoring.silence_s:
                return (
                    f'one pair has been in work for {busy_s:.0f} s: choose a smaller model or a '
                    'faster device')
        return (
            self._input.explain_silence()
            or snapshot.last_error
            or ('nobody subscribes to a result' if snapshot.dropped.get('no_subscriber')
                else 'inputs have come but no complete pair: the newest stamps agree, check for '
                'lost messages (load the large-image DDS profile)'))


def _build(config: PerceptionConfig) -> Perception:
    perception = build_perception(config, waits_for_engine=False)
    warm_up(perception, config.stereo)
    return perception


def main() -> None:
    """Run the node until it is stopped; exit code 1 if it could not start."""
    keep_freed_memory()
    rclpy.init()
    node = StereoSegNode()
    code, ended = 0, True
    try:
        if node.autostart and not node.start():
            code = 1 if rclpy.ok() else 0
        else:
            rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal between rclpy's check of the context and its wait makes the wait fail.
        if rclpy.ok():
            raise
    finally:
        # The launch process and the terminal both send the signal; ignore the second one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ended = node.end()
        rclpy.try_shutdown()
    if not ended:
        # The interpreter crashes if it ends during an inference; nothing is left to save.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == '__main__':
    main()
