"""Connections of libpq with a time limit on every wait, whatever the state of the server."""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import gevent
import psycopg
from gevent import monkey
from greenlet import getcurrent
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from app.infra import release
from app.infra.settings import Settings
from app.net import polling
from app.postgres.coroutine import DatabaseCoroutine

FOREVER = float("inf")
SETTLE_S = 5.0
_YEARS_S = 1e8  # stands for no limit where a number is required
_T = TypeVar("_T")
_IS_COOPERATIVE = bool(monkey.is_module_patched("select"))


class _Late(psycopg.OperationalError):
    """A wait timed out. gevent's timers may be early by the time that its loop was busy, so the clock cannot tell."""


class PoolerFault(psycopg.OperationalError):
    """A pooler in front of PostgreSQL does not provide what a connection needs. The message says what to set.

    It names no host, database or path, and may be shown without authentication.
    """


class BoundedConnection(psycopg.Connection[Any]):
    """A psycopg connection with a time limit of the client's, after which it is closed and not used again.

    The server's own timeouts do not work if the server is frozen, if the network drops all packets, or while a commit
    waits for a synchronous standby.
    """

    INTERVAL_S: ClassVar[float] = 0.1  # how often psycopg interrupts a wait

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start without a time limit: `ends_at` is on the monotonic clock, in seconds."""
        super().__init__(*arguments, **options)
        self.made_at = time.monotonic()
        self.ends_at = FOREVER
        self.warning: str | None = None
        self.add_notice_handler(self._note)

    def wait(self, gen: PQGen[_T], interval: float = INTERVAL_S, timeout: float | None = None) -> _T:
        """Wait for the server until `ends_at`; then close the connection and raise OperationalError."""
        remaining = max(0.0, self.ends_at - time.monotonic())
        bounded = remaining if timeout is None else min(timeout, remaining)
        try:
            if isinstance(call := getcurrent(), DatabaseCoroutine):
                return call.wait(gen, self.pgconn.socket, time.monotonic() + bounded)
            if _IS_COOPERATIVE and timeout is None:
                return _wait_cooperatively(gen, self.pgconn.socket, bounded)
            return super().wait(gen, interval, None if bounded == FOREVER else bounded)
        except psycopg.OperationalError as error:
            if time.monotonic() < self.ends_at and not isinstance(error, _Late):
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError("no response from the server in time") from error

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Store a warning: a commit with a warning is not as durable as promised."""
        if notice.severity_nonlocalized == "WARNING":
            self.warning = notice.message_primary

    def has_unread(self) -> bool:
        """Whether the server has sent something unasked, or has disconnected. Does not block."""
        return polling.has_unread(self.fileno())

    @property
    def is_busy(self) -> bool:
        """Whether a statement is still running that the client has abandoned."""
        return self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE

    @property
    def is_idle(self) -> bool:
        """Whether it is open and not in a transaction."""
        return self.pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def is_in_failed_transaction(self) -> bool:
        """Whether a COMMIT would roll back, which the server reports as a success."""
        return self.pgconn.transaction_status == pq.TransactionStatus.INERROR


def _wait_cooperatively(gen: PQGen[_T], descriptor: int, timeout_s: float) -> _T:
    """Do what psycopg's own wait does, but yield to other greenlets, with one watcher for the whole wait.

    Raises OperationalError after `timeout_s`.
    """
    hub = gevent.get_hub()
    try:
        wanted = next(gen)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    watcher, timer = hub.loop.io(descriptor, int(wanted)), hub.loop.timer(min(timeout_s, _YEARS_S))
    timer.start(gevent.getcurrent().throw, _Late, "wait timed out")  # as gevent.Timeout does, at a third of the cost
    try:
        while True:
            hub.wait(watcher)
            # It need not be known which of the two is ready: reading or writing what is not does nothing.
            following = gen.send(psycopg.waiting.Ready(int(wanted)))
            if following != wanted:
                watcher.close()
                wanted, watcher = following, hub.loop.io(descriptor, int(following))
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    finally:
        watcher.close()
        timer.close()


NETWORK = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 5_000}
"""TCP keepalives of every connection: a host that disappeared silently is noticed within seconds."""


PATH = "pg_catalog,pg_temp"
"""The search_path: no schema in which another role can create objects. A path that does not name `pg_temp` would begin
with it for types and tables."""


VALUES = {
    "array_nulls": "on",  # otherwise NULL in an array would be text
    "bytea_output": "hex",
    "client_min_messages": "notice",  # the warning of a commit that is not durable must arrive
    "DateStyle": "ISO,MDY",
    "default_transaction_isolation": r"read\ committed",  # statements that wait for locks and then recheck rely on it
    "extra_float_digits": 1,
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "transform_null_equals": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
}
"""Settings of every session, of migrations too, on which values and statements depend. A database or a role may have
other defaults."""
_ENVIRONMENT = ("PGDATESTYLE", "PGTZ")
"""Environment variables that libpq sends besides the options, and that override them."""


def arguments(settings: Settings, *, name: str, statement_ms: int) -> dict[str, Any]:
    """Return libpq's parameters for every connection, with limits on all waits."""
    session = {
        "search_path": PATH,
        "statement_timeout": statement_ms,
        "lock_timeout": settings.lock_ms,
        "idle_in_transaction_session_timeout": 10_000,
        "client_connection_check_interval": 1_000,  # a statement ends when its client has disconnected
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",  # the plans that the tests check
        # No statement of the service is faster without an index, and a plan made for an empty table may be cached.
        "enable_seqscan": "off",
    }
    return {
        "application_name": release.named(name),
        "client_encoding": "utf8",  # overrides PGCLIENTENCODING: parameters are sent in it
        "connect_timeout": settings.connect_s,
        **NETWORK,
        "options": _words(session),
    }


def options(url: str, ours: str) -> str:
    """Return the options of a session: `ours`, then those of `url`, which override them, then VALUES.

    VALUES come last because they are not configurable: they override settings of a database, a role or `url`.
    """
    given = conninfo_to_dict(normal(url)).get("options")
    return " ".join([ours, *([str(given)] if given else []), _words(VALUES)])


def _words(session: Mapping[str, object]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in session.items())


def asked(options: str) -> dict[str, str]:
    """Return the settings of a string of options, as `options` makes it."""
    return {name.replace("-", "_").lower(): _ESCAPED.sub(r"\1", value) for name, value in _SETTING.findall(options)}


def normal(url: str) -> str:
    """Return `url` normalized by libpq."""
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


_SETTING = re.compile(r"(?<!\S)(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REFUSAL = re.compile("unsupported (options )?startup parameter")
POOLER_REFUSES = (
    "the pooler (pgbouncer) in front of PostgreSQL takes no settings at the start of a session: set "
    "ignore_startup_parameters = options in pgbouncer.ini, and give them to the role by `rowline db pooler --apply`"
)


def connector(
    url: str, parameters: dict[str, Any], kind: type[BoundedConnection] = BoundedConnection
) -> Callable[[], BoundedConnection]:
    """Return a function that opens a connection to `url`, which only libpq parses, here as elsewhere.

    It raises psycopg.Error, including PoolerFault.
    """
    conninfo = normal(url)

    def connect() -> BoundedConnection:
        try:
            connection = kind.connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            if _REFUSAL.search(str(error)):
                raise PoolerFault(POOLER_REFUSES) from error
            raise
        if any(map(os.environ.get, _ENVIRONMENT)):
            _settle(connection)
        return connection

    return connect


def _settle(connection: BoundedConnection) -> None:
    """Override the settings of values that libpq took from the environment. Raises psycopg.Error."""
    connection.ends_at = time.monotonic() + SETTLE_S
    connection.execute("select set_config('DateStyle', 'ISO,MDY', false), set_config('TimeZone', 'UTC', false)")
    if not connection.autocommit:
        connection.commit()
    connection.ends_at = FOREVER
