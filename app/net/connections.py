"""The connections of all endpoints of a process: each is a descriptor, so their number and their idle time are limited.

For gevent. A greenlet looks at them while there are any, so that those that were closed by their receivers, or that
nobody uses, are closed without another call of their endpoint.
"""

import resource
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

import gevent

from app.net import polling
from app.net.descriptors import OutOfDescriptors

FILES_BESIDE = 1_024
"""Descriptors that connections leave free, for 352 look-ups, the database and the process; half, if there are fewer."""
IDLE_MAX = 2_048
"""The most idle connections; a quarter of the limit of open files, if that is less."""
UNUSED_S = 30.0
"""How long a connection is kept unused."""
LOOK_S = 1.0
"""How often it is looked whether receivers have closed connections: one system call for all."""


class Connection(Protocol):
    """A connection to an endpoint."""

    sock: socket.socket | None

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again."""

    def connect(self) -> None:
        """Open it. Raises OutOfDescriptors."""

    def close(self) -> None:
        """Close it, without yielding."""


Stack = dict[Connection, None]
"""The idle connections of one endpoint: the one used last is taken first, so that few stay open."""


class _Idle(NamedTuple):
    """An idle connection: where it is, and since when, in seconds of the monotonic clock."""

    stack: Stack
    since: float


class Connections:
    """Counts the connections in use and keeps idle ones. No method yields. One object per process."""

    def __init__(self, *, open_files: int, unused_s: float = UNUSED_S, look_s: float = LOOK_S) -> None:
        """Divide `open_files` descriptors; an idle connection is kept for at most `unused_s`."""
        self._in_all_max = open_files - min(FILES_BESIDE, open_files // 2)
        self._idle_max = min(IDLE_MAX, open_files // 4)
        self._unused_s, self._look_s = unused_s, look_s
        self._used = 0
        self._idle: OrderedDict[Connection, _Idle] = OrderedDict()  # the one unused the longest is the first
        self._looking: gevent.Greenlet | None = None

    def take(self, stack: Stack, make: Callable[[], Connection]) -> Connection:
        """Return the idle connection of `stack` that was used last, or a new one: `give_back` it.

        If there are too many, the idle one that is unused the longest is closed. Raises OutOfDescriptors if none is.
        """
        if stack:
            conn, _ = stack.popitem()
            del self._idle[conn]
        else:
            if self._used + len(self._idle) >= self._in_all_max:
                self._close_oldest()
            conn = make()
        self._used += 1
        return conn

    def give_back(self, conn: Connection, stack: Stack | None) -> None:
        """Keep a connection in `stack`, for another call; None: close it. If there are too many, close the oldest."""
        self._used -= 1
        if stack is None:
            conn.close()
            return
        stack[conn] = None
        self._idle[conn] = _Idle(stack, time.monotonic())
        if len(self._idle) > self._idle_max:
            self._close_oldest()
        if not self._looking:
            self._looking = gevent.spawn(self._look)

    def close(self, stack: Stack) -> None:
        """Close the idle connections of `stack`."""
        for conn in list(stack):
            self._close(conn)

    def close_idle(self) -> None:
        """Close all idle connections, since nothing more can be opened. Raises OutOfDescriptors if there are none."""
        self._close_oldest()
        while self._idle:
            self._close_oldest()

    def _close_oldest(self) -> None:
        if not self._idle:
            raise OutOfDescriptors(f"{self._used} calls are running, and the limit of open files permits no more")
        self._close(next(iter(self._idle)))

    def _close(self, conn: Connection) -> None:
        del self._idle.pop(conn).stack[conn]
        conn.close()

    def _look(self) -> None:
        while self._idle:
            gevent.sleep(self._look_s)
            self._close_unused()
            self._close_ended()
        self._looking = None

    def _close_unused(self) -> None:
        last = time.monotonic() - self._unused_s
        while self._idle and next(iter(self._idle.values())).since <= last:
            self._close_oldest()

    def _close_ended(self) -> None:
        """Close those with something to read: no answer is due, so it is the end, or nothing that could be used."""
        by_descriptor = {conn.sock.fileno(): conn for conn in self._idle if conn.sock}
        for descriptor in polling.unread(by_descriptor):
            self._close(by_descriptor[descriptor])


def open_files() -> int:
    """Return the soft limit of open files of this process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**20 if soft == resource.RLIM_INFINITY else soft
