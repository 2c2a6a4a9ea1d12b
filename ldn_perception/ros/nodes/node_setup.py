# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters, logging and process handling of the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import logging
import signal
import sys

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node
from rclpy.parameter import Parameter

from ldn_perception.config import Option, PerceptionConfig, Value, options
from ldn_perception.errors import ConfigError, LdnPerceptionError


def declare_options(
    node: Node, wanted: Iterable[Option] | None = None,
) -> list[ConfigError]:
    """Declare options with their descriptions and ranges.

    An invalid value in a launch file must not end the process during construction without an
    explanation. The parameter then keeps its default, and the error is returned.

    Args:
        node: Owner of the parameters.
        wanted: Options to declare; None for all options of the perception.

    Returns:
        Errors of invalid values, to be reported by the configure transition.
    """
    errors = []
    for option in options() if wanted is None else wanted:
        given = node.declare_parameter(
            option.name, option.default, ParameterDescriptor(dynamic_typing=True)).value
        node.undeclare_parameter(option.name)
        try:
            value = option.check(given)
        except ConfigError as error:
            errors.append(error)
            value = option.default
        node.declare_parameter(option.name, value, _descriptor(option), ignore_override=True)
    return errors


def _descriptor(option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=option.doc + (f' [{option.unit}]' if option.unit else ''),
        additional_constraints=f'One of: {", ".join(option.choices)}.' if option.choices else '',
    )
    if option.minimum is not None and option.maximum is not None:
        if option.type is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(option.minimum), to_value=int(option.maximum))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(
                from_value=float(option.minimum), to_value=float(option.maximum))]
    return descriptor


def read_config(node: Node) -> PerceptionConfig:
    """Read the configuration from the declared parameters.

    Raises:
        ConfigError: Values contradict each other.
    """
    return PerceptionConfig.from_values(
        {option.name: node.get_parameter(option.name).value for option in options()})


def check_parameters(parameters: Iterable[Parameter]) -> dict[str, Value]:
    """Check new parameter values individually.

    Args:
        parameters: New values; parameters that are not options of the package are ignored.

    Returns:
        Values of the options by name.

    Raises:
        ConfigError: A value is invalid for its option.
    """
    known = {option.name: option for option in options()}
    return {
        parameter.name: known[parameter.name].check(parameter.value)
        for parameter in parameters if parameter.name in known
    }


def changed_config(
    config: PerceptionConfig, parameters: Iterable[Parameter],
) -> PerceptionConfig:
    """Apply new parameter values to the configuration of a configured node.

    Raises:
        ConfigError: A value is invalid for its option, or the option is not live.
    """
    values = config.to_values()
    live = {option.name for option in options() if option.live}
    for name, value in check_parameters(parameters).items():
        if name not in live and value != values[name]:
            raise ConfigError(
                name, must_be='set before the node is configured', got=repr(value),
                do='restart the node with it, or take the node through cleanup and configure',
            )
        values[name] = value
    return PerceptionConfig.from_values(values)


def run_tool(name: str, work: Callable[[], None]) -> None:
    """Initialise ROS 2, run a function, and exit the process.

    Exit code 0 if the function has finished or was ended by a signal; 1 after an error of the
    package, with its message on standard error.

    Args:
        name: Prefix of the message.
        work: Function to run.
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
        # A signal between rclpy's check of the context and its wait makes the wait fail.
        if rclpy.ok():
            raise
    finally:
        rclpy.try_shutdown()
        # Further signals must not disturb the exit.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


class RosLogHandler(logging.Handler):
    """Forward log records of the package to a node's logger.

    Args:
        logger: Logger of the node.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record at its level."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
