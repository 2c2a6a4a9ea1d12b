# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Observations of a running system, and the findings made from them."""


from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import enum
import json
from typing import Any


class State(enum.Enum):
    """How bad a finding is."""

    OK = 'ok'
    WARNING = 'warning'
    """Results come, but not all of them, later or worse than they could."""
    ERROR = 'error'
    """No results come, or wrong ones."""
    SKIPPED = 'skipped'
    """What the check looks at is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at.
        state: How bad it is.
        found: What was found.
        advice: What to do, with the parameter or command; empty where there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str = ''


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, State.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Results come all the same."""
    return Finding(check, State.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """No results come, or wrong ones."""
    return Finding(check, State.ERROR, found, advice)


def skipped(check: str, found: str, advice: str = '') -> Finding:
    """Nothing to look at, and why."""
    return Finding(check, State.SKIPPED, found, advice)


def error_of(check: str, sentence: str) -> Finding:
    """Finding of an error of this package: what it says after the last colon is the advice."""
    found, _, advice = sentence.rpartition(': ')
    return error(check, found or sentence, advice if found else 'read the log of the node')


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A publisher or subscriber of a topic.

    Attributes:
        node: Full name of its node.
        message_type: 'sensor_msgs/msg/Image'.
        reliability: 'reliable' or 'best_effort'.
        durability: 'volatile' or 'transient_local'.
        deadline_ns: Longest time between two messages it promises or asks for; 0 for none.
    """

    node: str
    message_type: str
    reliability: str = 'reliable'
    durability: str = 'volatile'
    deadline_ns: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """Region of interest of a CameraInfo."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0
    do_rectify: bool = False


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A sensor_msgs/CameraInfo without its header."""

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]
    binning_x: int = 0
    binning_y: int = 0
    roi: Region = field(default_factory=Region)


@dataclass(frozen=True, slots=True)
class InputTopic:
    """One input of the node and what came on it.

    Attributes:
        role: 'left_image', 'right_image', 'external_disparity', 'left_info' or 'right_info'.
        topic: Full name.
        message_type: What the node wants there.
        publishers: Who sends.
        subscribers: Who listens, without the observer.
        stamps_ns: Stamps of the messages, in the order they came.
        sent_ns: When they were sent, by the clock of their sender; 0 where unknown.
        received_ns: When they were received, by the clock of this machine.
        width: Of the newest image [px]; 0 for other messages and before the first.
        height: The same.
        encoding: The same; the format of compressed images.
        info: Newest CameraInfo.
    """

    role: str
    topic: str
    message_type: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    stamps_ns: tuple[int, ...] = ()
    sent_ns: tuple[int, ...] = ()
    received_ns: tuple[int, ...] = ()
    width: int = 0
    height: int = 0
    encoding: str = ''
    info: CameraInfo | None = None


@dataclass(frozen=True, slots=True)
class PairObservation:
    """One pair, looked at as the node does.

    Attributes:
        problem: Why it cannot become a frame, as a sentence.
        complaint: What is wrong with its rows or sides, as a sentence.
        vertical_px: Median distance of the rows of matched points [px]; None if too few matched.
        num_matches: How many matched.
    """

    problem: str = ''
    complaint: str = ''
    vertical_px: float | None = None
    num_matches: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """What the node said on /diagnostics at one time.

    Attributes:
        received_ns: When, by the clock of this machine.
        level: 0 ok, 1 warning, 2 error, 3 stale.
        message: Its sentence.
        values: Its keys and values.
    """

    received_ns: int
    level: int
    message: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OutputTopic:
    """A result of the node.

    Attributes:
        topic: Full name.
        publisher: The node's end of it.
        subscribers: Who listens.
    """

    topic: str
    publisher: Endpoint
    subscribers: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """The node.

    Attributes:
        name: Full name.
        num_of_that_name: Nodes of that name.
        state: Of its life cycle, 'active'; empty if it did not answer.
        parameters: Its parameters; empty if it did not answer.
        inputs: Topic -> type of the images, calibrations and disparities it listens to.
        outputs: What it publishes.
        statuses: What it said on /diagnostics, in order.
    """

    name: str
    num_of_that_name: int = 1
    state: str = ''
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[OutputTopic, ...] = ()
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was heard.

    Attributes:
        seconds: How long was listened [s].
        middleware: 'rmw_fastrtps_cpp'.
        message_problem: What is wrong with messages that are packed and unpacked; empty if
            nothing is.
        node_name: Full name of the node that was looked for.
        node: The node; None if there is none of that name.
        inputs: What the node needs.
        rectifies: Whether the images are raw and the node rectifies them.
        pair: A pair of images; None if none came.
        image_topics: Every topic of images there is.
        clock_publishers: Nodes that publish /clock.
        clock_ns: Times on /clock.
        clock_received_ns: When they came, by the clock of this machine.
    """

    seconds: float
    middleware: str
    message_problem: str
    node_name: str
    node: NodeObservation | None
    inputs: tuple[InputTopic, ...]
    rectifies: bool = False
    pair: PairObservation | None = None
    image_topics: tuple[str, ...] = ()
    clock_publishers: tuple[str, ...] = ()
    clock_ns: tuple[int, ...] = ()
    clock_received_ns: tuple[int, ...] = ()

    def input(self, role: str) -> InputTopic | None:
        """Input of a role; None where the node does not have it."""
        return next((entry for entry in self.inputs if entry.role == role), None)

    @property
    def images(self) -> tuple[InputTopic, ...]:
        """Left image and what stands beside it: the right image or a disparity."""
        return tuple(entry for entry in self.inputs if not entry.role.endswith('_info'))

    @property
    def is_nothing_there(self) -> bool:
        """Whether neither a camera nor the node was found."""
        return self.node is None and not any(entry.publishers for entry in self.inputs)

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self))


def observations_from_json(text: str) -> Observations:
    """Read what `Observations.to_json` wrote."""
    tree = json.loads(text)
    pair, node = tree['pair'], tree['node']
    return Observations(**{
        **_tuples(tree),
        'inputs': tuple(_input(entry) for entry in tree['inputs']),
        'pair': None if pair is None else PairObservation(**pair),
        'node': None if node is None else _node(node),
    })


def _input(tree: dict[str, Any]) -> InputTopic:
    info = tree['info']
    return InputTopic(**{
        **_tuples(tree),
        **_endpoints(tree, 'publishers', 'subscribers'),
        'info': None if info is None else CameraInfo(
            **{**_tuples(info), 'roi': Region(**info['roi'])}),
    })


def _node(tree: dict[str, Any]) -> NodeObservation:
    return NodeObservation(**{
        **tree,
        'outputs': tuple(OutputTopic(**{
            **entry, 'publisher': Endpoint(**entry['publisher']),
            **_endpoints(entry, 'subscribers')}) for entry in tree['outputs']),
        'statuses': tuple(Status(**entry) for entry in tree['statuses']),
    })


def _endpoints(tree: dict[str, Any], *names: str) -> dict[str, tuple[Endpoint, ...]]:
    return {name: tuple(Endpoint(**entry) for entry in tree[name]) for name in names}


def _tuples(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()}
