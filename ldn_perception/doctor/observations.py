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
    """Severity of a finding."""

    OK = 'ok'
    WARNING = 'warning'
    """Results come, but not all of them, later or worse than they could."""
    ERROR = 'error'
    """Build a finding of a problem that prevents results or makes them wrong."""
    SKIPPED = 'skipped'
    """The subject of the check is absent."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    Attributes:
        check: Subject of the check.
        state: Severity.
        found: Observation.
        advice: Advice, with the parameter or command; empty if there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str = ''


def ok(check: str, found: str) -> Finding:
    """Build a finding without a problem."""
    return Finding(check, State.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Build a finding of a problem that does not prevent results."""
    return Finding(check, State.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Build a finding of a problem that prevents results or makes them wrong."""
    return Finding(check, State.ERROR, found, advice)


def skipped(check: str, found: str, advice: str = '') -> Finding:
    """Build a finding of a check that could not run, with the reason."""
    return Finding(check, State.SKIPPED, found, advice)


def error_of(check: str, sentence: str) -> Finding:
    """Build a finding from an error message of this package; its last part is the advice."""
    found, _, advice = sentence.rpartition(': ')
    return error(check, found or sentence, advice if found else 'read the log of the node')


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A publisher or subscriber of a topic.

    Attributes:
        node: Full name of its node.
        message_type: Message type, for example 'sensor_msgs/msg/Image'.
        reliability: 'reliable' or 'best_effort'.
        durability: 'volatile' or 'transient_local'.
        deadline_ns: Maximum time between two messages, offered or requested [ns]; 0 for none.
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
    """An input of the node and the messages received on it.

    Attributes:
        role: 'left_image', 'right_image', 'external_disparity', 'left_info' or 'right_info'.
        topic: Full name.
        message_type: Message type that the node expects.
        publishers: Publishers of the topic.
        subscribers: Subscribers of the topic, without the observer.
        stamps_ns: Stamps of the messages in the order of reception [ns].
        sent_ns: Send times by the clock of the sender [ns]; 0 if unknown.
        received_ns: Reception times by the clock of this machine [ns].
        width: Width of the newest image [px]; 0 for other messages or before the first image.
        height: Height of the newest image [px], likewise.
        encoding: Encoding of the newest image, or format of a compressed one.
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
    """Check of one pair, processed as in the node.

    Attributes:
        problem: Error that prevents conversion to a frame; empty if there is none.
        complaint: Problem of its rows or sides with advice; empty if there is none.
        vertical_px: Median row difference of matched points [px]; None if too few matched.
        num_matches: Number of matched points.
    """

    problem: str = ''
    complaint: str = ''
    vertical_px: float | None = None
    num_matches: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A status of the node on /diagnostics.

    Attributes:
        received_ns: Reception time by the clock of this machine [ns].
        level: 0 ok, 1 warning, 2 error, 3 stale.
        message: Message of the status.
        values: Keys and values of the status.
    """

    received_ns: int
    level: int
    message: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OutputTopic:
    """A result topic of the node.

    Attributes:
        topic: Full name.
        publisher: Publisher of the node.
        subscribers: Subscribers of the topic.
    """

    topic: str
    publisher: Endpoint
    subscribers: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """Observation of the node.

    Attributes:
        name: Full name.
        num_of_that_name: Number of nodes with that name.
        state: Lifecycle state, for example 'active'; empty if it did not answer.
        parameters: Its parameters; empty if it did not answer.
        inputs: Topic -> type of the images, calibrations and disparities it subscribes to.
        outputs: Result topics it publishes.
        statuses: Its statuses on /diagnostics, in order.
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
    """All observations of a system.

    Attributes:
        seconds: Listening time [s].
        middleware: RMW implementation, for example 'rmw_fastrtps_cpp'.
        message_problem: Problem when a message is serialised and deserialised; empty if there is
            none.
        node_name: Full name of the expected node.
        node: The node; None if there is none with that name.
        inputs: Inputs that the node needs.
        rectifies: True if the images are raw and the node rectifies them.
        pair: Check of a pair of images; None if none was received.
        image_topics: All image topics of the system.
        clock_publishers: Nodes that publish /clock.
        clock_ns: Times on /clock [ns].
        clock_received_ns: Their reception times by the clock of this machine [ns].
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
        """Input with a role; None if there is none."""
        return next((entry for entry in self.inputs if entry.role == role), None)

    @property
    def images(self) -> tuple[InputTopic, ...]:
        """Left image, and right image or external disparity."""
        return tuple(entry for entry in self.inputs if not entry.role.endswith('_info'))

    @property
    def is_nothing_there(self) -> bool:
        """True if neither a camera nor the node was found."""
        return self.node is None and not any(entry.publishers for entry in self.inputs)

    def to_json(self) -> str:
        """Serialise to JSON."""
        return json.dumps(asdict(self))


def observations_from_json(text: str) -> Observations:
    """Parse the output of `Observations.to_json`."""
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
