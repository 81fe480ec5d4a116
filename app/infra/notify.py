"""Wake-ups between processes by NOTIFY and LISTEN: hints only, so that losing every one costs time and nothing else.

A NOTIFY inside the transaction that inserts would serialise all commits of the server, so it is sent apart, by a
thread, at most once an interval and channel.
"""

import contextvars
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from app.infra import libpq

_log = logging.getLogger(__name__)

INTERVAL_S = 0.05
BEAT_S = 10.0  # how often a silent listener makes sure that its connection is alive
RETRY_S = 1.0
ANSWER_S = 5.0  # how long a statement here waits for the server


def channel(topic: str) -> str:
    """Name the channel of `topic`; hashed, because a channel has at most 63 bytes."""
    return "rowline_" + hashlib.sha256(topic.encode()).hexdigest()[:32]


class Notifier:
    """Sends wake-ups from a thread of its own, made at the first one, so that it never crosses a fork."""

    def __init__(self, url: str, arguments: Mapping[str, Any]) -> None:
        """Prepare to send over one connection to `url`, opened when needed."""
        # A lost hint is caught by polling, so its commit need not wait for the disk.
        options = f"{arguments['options']} -c synchronous_commit=off"
        self._connect = libpq.connector(url, {**arguments, "options": options, "autocommit": True})
        self._pending: set[str] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._connection: libpq.BoundedConnection | None = None

    def ring(self, topic: str) -> None:
        """Wake the listeners of `topic` soon. Never blocks on the database, never fails."""
        with self._changed:
            self._pending.add(channel(topic))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
                contextvars.Context().run(self._thread.start)  # without the request's id, which it outlives
            self._changed.notify()

    def close(self) -> None:
        """Send nothing more; the thread closes its connection and ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        sent_at: dict[str, float] = {}
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closed)
                if self._closed:
                    self._disconnect()
                    return
                now = time.monotonic()
                sent_at = {name: at for name, at in sent_at.items() if now - at < INTERVAL_S}
                due = [name for name in self._pending if name not in sent_at]
                if not due:
                    self._changed.wait(min(sent_at.values()) + INTERVAL_S - now)
                    continue
                self._pending.difference_update(due)
            self._send(due)
            sent_at |= dict.fromkeys(due, time.monotonic())

    def _send(self, channels: list[str]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.ends_at = time.monotonic() + ANSWER_S
            self._connection.execute("select pg_notify(name, '') from unnest(%s::text[]) as name", [channels])
        except psycopg.Error as error:
            _log.warning("notify_failed", extra={"cause": str(error).strip()})
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Listener(threading.Thread):
    """Calls `on_wake` at each wake-up of `topic`, and whenever one may have been missed."""

    def __init__(self, url: str, arguments: Mapping[str, Any], *, topic: str, on_wake: Callable[[], None]) -> None:
        """Prepare the thread; `start()` it. It ends with the process, or some seconds after `stop()`."""
        super().__init__(name="listener", daemon=True)
        self._stopped = threading.Event()
        self._connect = libpq.connector(url, {**arguments, "autocommit": True})
        self._channel, self._on_wake = channel(topic), on_wake

    def stop(self) -> None:
        """Let the thread end when it next looks up."""
        self._stopped.set()

    def run(self) -> None:
        """Listen until stopped, over one connection after the other."""
        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                if not self._stopped.wait(RETRY_S):
                    _log.warning("listen_failed", extra={"cause": str(error).strip()})

    def _listen(self) -> None:
        with self._connect() as connection:
            connection.ends_at = time.monotonic() + ANSWER_S
            connection.execute(f"listen {self._channel}")
            while not self._stopped.is_set():
                self._on_wake()  # after LISTEN too: what was added before it rang nobody
                connection.ends_at = time.monotonic() + BEAT_S + ANSWER_S
                if not list(connection.notifies(timeout=BEAT_S, stop_after=1)):
                    connection.execute("select 1")
