# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The life of a process around a small node."""

from __future__ import annotations

from collections.abc import Callable
import signal
import sys

import rclpy
from rclpy.executors import ExternalShutdownException

from ldn_perception.errors import LdnPerceptionError


def run_tool(name: str, work: Callable[[], None]) -> None:
    """Do the work with ROS 2 up, and end the process.

    Exit code 0 when the work is done or a signal has ended it; 1 and one sentence on standard
    error when something was wrong.

    Args:
        name: Name in front of the sentence.
        work: What to do.
    """
    rclpy.init()
    code = 0
    try:
        work()
    except LdnPerceptionError as error:
        print(f'{name}: {error}', file=sys.stderr)
        code = 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A signal between rclpy's look at the context and its wait for work makes the wait fail.
        if rclpy.ok():
            raise
    finally:
        rclpy.try_shutdown()
        # A signal that finds the process at its end has nothing to end any more.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    sys.exit(code)
