# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Writing messages that are already serialised to a new bag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from ldn_perception.bags.message_types import TYPESTORE, check_known_type
from ldn_perception.errors import BagError


class RawBagWriter:
    """A new MCAP bag (rosbag2 version 9, as `ros2 bag play` reads it).

    Used as a context manager. The bag is finished however the block ends, by an error or Ctrl-C
    as well, so what was recorded until then can be read. After a kill the parts already on disk
    can be saved with `mcap recover`.

    Args:
        path: Directory to create; its parents are created with it.

    Raises:
        BagError: The path exists already or cannot be created.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connections: dict[tuple[str, str], Connection] = {}
        try:
            self._writer = Writer(self.path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(
                f'new bag {self.path}', must_be='a path that does not exist yet',
                got=str(error), do='choose another path; nothing is overwritten',
            ) from error

    def write(self, topic: str, msgtype: str, receive_ns: int, cdr: bytes | memoryview) -> None:
        """Append a message.

        Args:
            topic: Its topic; a missing leading slash is added.
            msgtype: Its type, e.g. 'sensor_msgs/msg/Image'.
            receive_ns: When it was received, >= 0 [ns].
            cdr: Its bytes, encapsulation header included.

        Raises:
            BagError: The type is unknown or the disk does not take it.
        """
        connection = self._connections.get((topic, msgtype)) or self._connect(topic, msgtype)
        with self._disk_errors():
            self._writer.write(connection, receive_ns, cdr)

    def declare(self, topic: str, msgtype: str) -> None:
        """Note a topic that may stay without a message, so that the bag tells it existed.

        Raises:
            BagError: The type is unknown.
        """
        if (topic, msgtype) not in self._connections:
            self._connect(topic, msgtype)

    def _connect(self, topic: str, msgtype: str) -> Connection:
        check_known_type(msgtype)
        name = '/' + topic.lstrip('/')
        connection = self._connections.get((name, msgtype)) or self._writer.add_connection(
            name, msgtype, typestore=TYPESTORE
        )
        self._connections[topic, msgtype] = self._connections[name, msgtype] = connection
        return connection

    def close(self) -> None:
        """Write the index and the metadata; closing twice does nothing.

        Raises:
            BagError: The disk does not take them.
        """
        if self._writer.storage is not None:
            with self._disk_errors():
                self._writer.close()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self._writer.abort()
            raise BagError(
                f'bag {self.path}', must_be='on a disk with space left', got=str(error),
                do='free some space and record again',
            ) from error

    def __enter__(self) -> RawBagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
