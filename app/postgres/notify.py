"""Wake-ups between processes by NOTIFY and LISTEN. Losing every one costs only time.

A NOTIFY inside the inserting transaction would serialize all commits of the server, so it is sent after the commit, at
most once per interval and channel: in the same packet as the statement, or by a thread.
"""

import contextlib
import contextvars
import functools
import hashlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from app.postgres import libpq, poolers
from app.postgres.prepared import BoundStatement, PreparedConnection

_log = logging.getLogger(__name__)

INTERVAL_S = 0.015
CHECK_S = 10.0  # how often an idle listener checks that its connection is alive
RETRY_S = 1.0
POOLED_S = 60.0  # how often to check whether there is still a pooler in transaction mode
NOTIFY = b"select set_config('lock_timeout', '5ms', true), pg_notify($1, '')"
"""PostgreSQL commits transactions with NOTIFY one at a time; the lock timeout limits how long a request waits."""
ANSWER_S = 5.0  # how long a statement of the listener or the notifier waits for the server
IDLE_S = 5.0  # after which the idle connection of the notifier is closed


@functools.lru_cache(maxsize=4096)
def channel(topic: str) -> str:
    """Return the channel of `topic`: a hash, because a channel name has at most 63 bytes."""
    return "rowline_" + hashlib.sha256(topic.encode()).hexdigest()[:32]


class Notifier:
    """Sends NOTIFYs from a thread of its own, which is started at the first one, so that it never crosses a fork."""

    def __init__(self, url: str, arguments: Mapping[str, Any]) -> None:
        """Send over one connection to `url`, opened on demand."""
        # A lost NOTIFY is made up for by polling, so its commit need not wait for the disk.
        options = f"{arguments['options']} -c synchronous_commit=off"
        self._connect = libpq.connector(url, {**arguments, "options": options, "autocommit": True})
        self._pending: set[str] = set()
        self._sent_at: dict[str, float] = {}  # of channels, on the monotonic clock, for an interval
        self._changed = threading.Condition()
        self._closed = self._is_idle = False
        self._thread: threading.Thread | None = None
        self._connection: libpq.BoundedConnection | None = None

    def notification(self, topic: str) -> BoundStatement | None:
        """Return the statement that notifies `topic`, for the caller to run now; None if one was sent just before.

        In that case, and if the statement was not run or failed, call `notify`.
        """
        with self._changed:
            name = channel(topic)
            self._forget()
            if name in self._sent_at or name in self._pending:
                return None
            self._sent_at[name] = time.monotonic()
        return BoundStatement(NOTIFY, [name.encode()], None)

    def notify(self, topic: str) -> None:
        """Notify the listeners of `topic` soon. Never blocks on the database, never fails."""
        with self._changed:
            name = channel(topic)
            self._forget()
            if name in self._pending:
                return
            self._pending.add(name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
                contextvars.Context().run(self._thread.start)  # without the request's id: the thread outlives it
            if name in self._sent_at and not self._is_idle:
                return  # the thread sends it when the interval is over
            self._changed.notify()
        time.sleep(0)  # lets the thread send it before the caller goes on

    def close(self) -> None:
        """Send nothing more; the thread closes its connection and ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_idle = True
                idle_s = IDLE_S if self._connection else None
                if not self._changed.wait_for(lambda: self._pending or self._closed, idle_s):
                    self._disconnect()
                    continue
                self._is_idle = False
                if self._closed:
                    self._disconnect()
                    return
                now = self._forget()
                due = [name for name in self._pending if name not in self._sent_at]
                if not due:
                    self._changed.wait(min(self._sent_at.values()) + INTERVAL_S - now)
                    continue
                self._pending.difference_update(due)
                self._sent_at |= dict.fromkeys(due, now)
            if not self._send(due):
                self._send_later(due)

    def _forget(self) -> float:
        """Forget the channels notified before the interval; return the time."""
        now = time.monotonic()
        self._sent_at = {name: at for name, at in self._sent_at.items() if now - at < INTERVAL_S}
        return now

    def _send_later(self, channels: list[str]) -> None:
        """Retry after a while: waiting processes may poll seldom."""
        with self._changed:
            self._pending.update(channels)
            self._changed.wait_for(lambda: self._closed, RETRY_S)

    def _send(self, channels: list[str]) -> bool:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.ends_at = time.monotonic() + ANSWER_S
            self._connection.execute("select pg_notify(name, '') from unnest(%s::text[]) as name", [channels])
        except psycopg.Error as error:
            _log.warning("notify_failed", extra={"cause": str(error).strip()})
            self._disconnect()
            return False
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Listener:
    """Calls back at each NOTIFY of a topic, and whenever one may have been missed. One connection for all topics."""

    def __init__(self, url: str, arguments: Mapping[str, Any], *, on_loss: Callable[[], None] = lambda: None) -> None:
        """Prepare; the first subscription starts the thread and opens the connection, so that neither crosses a fork.

        `on_loss` is called by the thread when the connection is lost.
        """
        self._connect = libpq.connector(url, {**arguments, "autocommit": True}, PreparedConnection)
        self._on_loss = on_loss
        self._is_told = False
        self._wakes: dict[str, list[Callable[[str], None]]] = {}
        self._resting: set[str] = set()
        """Channels that it listens to only while it listens to others."""
        self._forget_at = 0.0
        self._heard: set[str] = set()
        """The channels that the connection listens to; while there is none, those of the last one."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._sender: socket.socket | None = None

    def subscribe(self, topic: str, on_wake: Callable[[], None]) -> Callable[[], None]:
        """Have the thread call `on_wake`, which must not block, at each NOTIFY; return a function that ends it."""
        return self.listen_payloads(topic, lambda _word: on_wake())

    def listen_payloads(self, topic: str, on_payload: Callable[[str], None]) -> Callable[[], None]:
        """Do what `subscribe` does; `on_payload` gets the payload, "" if a NOTIFY may have been missed."""
        name = channel(topic)
        with self._lock:
            self._wakes.setdefault(name, []).append(on_payload)
            if self._thread is None:
                self._sender, receiver = socket.socketpair()
                self._thread = threading.Thread(
                    target=self._run, args=[self._sender, receiver], name="listener", daemon=True
                )
                contextvars.Context().run(self._thread.start)
        self._interrupt()

        def unsubscribe() -> None:
            with self._lock:
                self._wakes[name].remove(on_payload)
                if not self._wakes[name]:
                    del self._wakes[name]

        return unsubscribe

    def only_beside(self, topic: str, *, is_resting: bool) -> None:
        """Listen to a topic only while there are others, since each NOTIFY wakes all listening connections.

        Or, if not `is_resting`, always, as at first.
        """
        change = self._resting.add if is_resting else self._resting.discard
        with self._lock:
            change(channel(topic))
            self._forget_at = 0.0
        self._interrupt()

    def hears(self, topic: str) -> bool:
        """Whether it listens to a topic now; while there is no connection, whether the last one did."""
        return channel(topic) in self._heard

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._interrupt()

    def _interrupt(self) -> None:
        with contextlib.suppress(OSError):  # a byte is pending already, or the thread has ended
            if self._sender is not None:
                self._sender.send(b".")

    def _run(self, sender: socket.socket, receiver: socket.socket) -> None:
        with sender, receiver:
            sender.setblocking(False)
            receiver.setblocking(False)
            while not self._stopped.is_set():
                try:
                    self._listen(receiver)
                except libpq.PoolerFault as error:
                    self._on_loss()
                    if not self._is_told:
                        _log.warning("listen_pooled", extra={"cause": str(error)})
                    self._is_told = True
                    self._stopped.wait(POOLED_S)
                except (psycopg.Error, OSError, ValueError) as error:  # whatever it is, the thread must go on
                    self._on_loss()
                    if not self._stopped.wait(RETRY_S):
                        _log.warning("listen_failed", extra={"cause": str(error).strip()})

    def _listen(self, receiver: socket.socket) -> None:
        with self._connect() as connection:
            self._heard = set()
            connection.ends_at = time.monotonic() + ANSWER_S
            poolers.require_session(connection, self._connect, otherwise=poolers.NOT_HEARD)
            connection.add_notify_handler(lambda notify: self._wake(notify.channel, notify.payload))
            poll = select.poll()  # select() has no descriptors over 1,023
            poll.register(connection.fileno(), select.POLLIN)
            poll.register(receiver.fileno(), select.POLLIN)
            self._keep(connection, receiver, is_silent=False)
            while not self._stopped.is_set():
                ready = dict(poll.poll(CHECK_S * 1000))
                self._take(connection)  # and little else: those who are woken wait until this thread waits again
                if not ready or receiver.fileno() in ready or time.monotonic() >= self._forget_at:
                    self._keep(connection, receiver, is_silent=not ready)

    def _keep(self, connection: libpq.BoundedConnection, receiver: socket.socket, *, is_silent: bool) -> None:
        """LISTEN to new channels, UNLISTEN unused ones now and then; ask a silent server whether it is there."""
        with contextlib.suppress(BlockingIOError):
            receiver.recv(4096)
        connection.ends_at = time.monotonic() + ANSWER_S
        for name in self._wanted() - self._heard:
            connection.execute(f"listen {name}")
            self._heard.add(name)
            self._wake(name)  # a NOTIFY before the LISTEN was missed
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + CHECK_S
            self._forget(connection)
        if is_silent:
            connection.execute("select 1")
        self._take(connection)  # what came behind an answer is read already: no descriptor would say so

    def _take(self, connection: libpq.BoundedConnection) -> None:
        """Handle the NOTIFYs received, without waiting for more. Raises psycopg.Error if the connection is lost."""
        connection.pgconn.consume_input()
        while notify := connection.pgconn.notifies():
            self._wake(notify.relname.decode(), notify.extra.decode())

    def _forget(self, connection: libpq.BoundedConnection) -> None:
        """UNLISTEN channels without subscribers."""
        for name in self._heard - self._wanted():
            connection.execute(f"unlisten {name}")
            self._heard.discard(name)

    def _wanted(self) -> set[str]:
        with self._lock:
            return set(self._wakes) if self._wakes.keys() - self._resting else set()

    def _wake(self, name: str, word: str = "") -> None:
        with self._lock:
            wakes = list(self._wakes.get(name, ()))
        for wake in wakes:
            wake(word)
