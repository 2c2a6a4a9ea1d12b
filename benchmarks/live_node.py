# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real node in a separate process, fed with pairs over DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
import json
import os
from pathlib import Path
import platform
import tempfile
import time
from typing import Any

from ldn_perception.cli.processes import NodeProcess, isolated_environment
from ldn_perception.data.message_fields import camera_info_fields, image_fields
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.types import StereoFrame

LIMIT_S = 120.0
os.environ.update(isolated_environment())


class LiveNode:
    """Starts stereo_seg_node, sends pairs to it and receives its results.

    Args:
        wanted: Results to subscribe to, of type sensor_msgs/Image: labels, ood_mask, …
        frames: Pairs to send, in a cycle.
        parameters: Parameters of the node.
    """

    def __init__(
        self, wanted: tuple[str, ...], frames: Iterable[StereoFrame], parameters: dict[str, Any],
    ) -> None:
        # rclpy reads the environment when it is imported.
        from diagnostic_msgs.msg import DiagnosticArray
        import rclpy
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, Image
        from stereo_msgs.msg import DisparityImage

        from ldn_perception.ros.nodes.outputs import fill

        self._rclpy = rclpy
        rclpy.init()
        self.tester = rclpy.create_node('benchmark')
        arguments = ['--ros-args']
        for name, value in parameters.items():
            arguments += ['-p', f'{name}:={value}']
        log = Path(tempfile.mkdtemp()) / 'node.log'
        self.process = NodeProcess('stereo_seg_node', arguments, log, dict(os.environ))
        self.diagnostics: dict[str, str] = {}
        self.results: list[tuple[int, int]] = []
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publishers = [
            (side, kind, self.tester.create_publisher(
                Image if kind == 'image' else CameraInfo,
                f'{side}/{"image_rect" if kind == "image" else "camera_info"}', qos))
            for side in ('left', 'right') for kind in ('image', 'info')
        ]
        self.tester.create_subscription(
            DiagnosticArray, '/diagnostics', self._hear_diagnostics, 10)
        for name in wanted:
            private = name not in ('disparity', 'depth')
            self.tester.create_subscription(
                DisparityImage if name == 'disparity' else Image,
                f'/stereo_seg_node/{name}' if private else name,
                self._hear_result if name == wanted[0] else lambda message: None, qos)
        self.messages = [
            [(publisher, fill(Image(), image_fields(getattr(frame, side), 'rgb8'))
              if kind == 'image'
              else fill(CameraInfo(), camera_info_fields(frame.geometry, side)))
             for side, kind, publisher in self.publishers]
            for frame in frames
        ]
        self.sent = 0
        self.spin_until(
            lambda: self.diagnostics and all(
                publisher.get_subscription_count() for _, _, publisher in self.publishers))

    def _hear_diagnostics(self, message: Any) -> None:
        self.diagnostics = {entry.key: entry.value for entry in message.status[0].values}

    def _hear_result(self, message: Any) -> None:
        stamp = message.header.stamp
        self.results.append((stamp.sec * 10**9 + stamp.nanosec, time.time_ns()))

    def spin_until(self, condition: Callable[[], object]) -> None:
        """Process messages until the condition holds; it is checked after each message."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline or not self.process.is_running():
                raise SystemExit(self.process.log.read_text())
            # Sleep, since polling takes time from the node's cores.
            self._rclpy.spin_once(self.tester, timeout_sec=0.1)

    def spin_for(self, seconds: float) -> None:
        """Process messages for a number of seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._rclpy.spin_once(self.tester, timeout_sec=left)

    def send(self) -> None:
        """Send a pair stamped with the current time."""
        stamp = self.tester.get_clock().now().to_msg()
        for publisher, message in self.messages[self.sent % len(self.messages)]:
            message.header.stamp = stamp
            publisher.publish(message)
        self.sent += 1

    def send_at(self, rate_hz: float, number: int) -> None:
        """Send a number of pairs at a rate."""
        start = time.monotonic()
        for index in range(number):
            self.spin_for(start + index / rate_hz - time.monotonic())
            self.send()

    def send_one_by_one(self, number: int, each: Callable[[int], None] = lambda n: None) -> None:
        """Send each pair after the result of the previous one; lost pairs are sent again."""
        for index in range(number):
            expected = len(self.results) + 1
            while len(self.results) < expected:
                self.send()
                give_up = time.monotonic() + 2.0
                self.spin_until(
                    lambda expected=expected, give_up=give_up:
                    len(self.results) >= expected or time.monotonic() > give_up)
            each(index)

    def settle_engine(self) -> None:
        """Send pairs until the node has chosen its engine, and discard their results.

        An export takes minutes.
        """
        is_exporting = True
        while is_exporting:
            self.send_one_by_one(8)
            self.spin_for(1.5)  # diagnostics are published once a second
            is_exporting = ', until ' in self.diagnostics.get('engine', '')
        self.send_one_by_one(8)
        self.results.clear()

    def resident_mb(self) -> float:
        """Resident memory of the node [MB]."""
        status = Path(f'/proc/{self.process.process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0]) / 1024

    def stage_ms(self) -> dict[str, float]:
        """Median time of each stage, from the node's diagnostics [ms]."""
        return {
            key.removeprefix('stage.').removesuffix('_ms'): float(value)
            for key, value in self.diagnostics.items() if key.startswith('stage.')
        }

    def close(self) -> int:
        """Stop the node and return its exit code."""
        code = self.process.stop()
        self._rclpy.try_shutdown()
        return code


def rendered_pairs(width: int, height: int) -> list[StereoFrame]:
    """Render four pairs of a drive."""
    return [sample.frame for sample in SyntheticDrive(0, 4, width, height)]


def report(name: str, figures: dict[str, Any]) -> None:
    """Print figures and the machine they were measured on, and save them as JSON.

    A figure that maps row names to mappings from column names to values is a table.
    """
    figures = {'machine': machine(), **figures}
    for key, value in figures.items():
        if isinstance(value, Mapping):
            print_table(key, value)
        else:
            print(f'{key:44} {_text(value)}')
    folder = Path('build/benchmarks')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(figures, indent=2) + '\n')


def print_table(title: str, rows: Mapping[str, Mapping[str, object]]) -> None:
    """Print rows under a title; rows may have different columns."""
    columns = dict.fromkeys(column for row in rows.values() for column in row)
    print(f'\n{title:32}', *(f'{column:>9}' for column in columns))
    for name, row in rows.items():
        print(f'{name:32}', *(
            f'{_text(row.get(column, "")):>{max(9, len(column))}}' for column in columns))


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f'{value:.2f}' if value == 0 or abs(value) >= 0.1 else f'{value:.2g}'


def machine() -> str:
    """Name of the processor and number of cores."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    model = next((line.split(': ')[1] for line in lines if line.startswith('model name')),
                 platform.machine())
    return f'{os.cpu_count()} x {model}'
