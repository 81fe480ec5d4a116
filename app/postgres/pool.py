"""A pool of idle connections. It does not limit how many are in use: the semaphore of `Database` does."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import event, exc

from app.postgres.prepared import PreparedConnection

Connection = sqlalchemy.Connection


class Pool:
    """Returns the connection that was used last, so that few stay open, and opens one if none is idle.

    SQLAlchemy's own pool resets each connection, which costs three times as much CPU as the rest of a pool.
    """

    def __init__(self, open_one: Callable[[], object], prepare: Callable[[PreparedConnection], None]) -> None:
        """Open connections by `open_one`; `prepare` is called once for each."""
        self.engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=open_one,
            poolclass=sqlalchemy.NullPool,
            pool_reset_on_return=None,
            use_native_hstore=False,  # it would cost a query per connection
        )
        event.listen(self.engine, "connect", lambda driver, _record: prepare(driver))
        self._idle: list[Connection] = []
        self._invalid_since = 0.0  # on the monotonic clock
        self._idle_before = self._unused = 0
        """How many were idle at the last `close_unused`, and how many of these were not used since."""

    def invalidate_all(self) -> None:
        """Do not reuse any connection that is open now, idle or in use."""
        self._invalid_since = time.monotonic()

    def take(self) -> tuple[Connection, PreparedConnection]:
        """Return a usable connection. Raises psycopg.Error.

        A broken one is dropped, which one poll detects: on a usable idle connection there is nothing to read.
        """
        while True:
            try:  # another thread may take the last one
                conn, is_new = self._idle.pop(), False
            except IndexError:
                conn, is_new = self.engine.connect(), True
            self._unused = min(self._unused, len(self._idle))
            driver = driver_of(conn)
            if (is_new or driver.made_at > self._invalid_since) and not driver.has_unread():
                return conn, driver
            _drop(conn)
            if is_new:
                raise psycopg.OperationalError("the server ends every connection at once")

    def give(self, conn: Connection, driver: PreparedConnection) -> None:
        """Take a connection back, after a ROLLBACK if it is in a transaction. If that raises, it is dropped."""
        try:
            if conn.in_transaction() and not driver.closed and not driver.is_busy:
                conn.rollback()
        finally:
            if driver.is_idle and not conn.invalidated:
                self._idle.append(conn)
            else:
                _drop(conn)

    def close_unused(self, *, keep: int) -> None:
        """Close the connections not used since the previous call; if none was used, all but `keep`."""
        is_used = self._unused < self._idle_before
        with contextlib.suppress(IndexError):
            for _ in range(self._unused - (0 if is_used else keep)):
                _drop(self._idle.pop(0))
        self._idle_before = self._unused = len(self._idle)

    def close(self) -> None:
        """Close the idle connections."""
        with contextlib.suppress(IndexError):
            while True:
                _drop(self._idle.pop())


def driver_of(conn: Connection) -> PreparedConnection:
    """Return psycopg's connection below SQLAlchemy's."""
    driver: Any = conn.connection.driver_connection
    assert isinstance(driver, PreparedConnection)
    return driver


def _drop(conn: Connection) -> None:
    with contextlib.suppress(psycopg.Error, exc.DBAPIError):
        conn.invalidate()
        conn.close()
