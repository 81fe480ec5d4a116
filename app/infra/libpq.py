"""Connections by libpq, on which no wait is without an end, whatever has become of the server."""

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

from app.infra import polling, release
from app.infra.coroutine import DatabaseCoroutine
from app.infra.settings import Settings

FOREVER = float("inf")
SETTLE_S = 5.0
_YEARS_S = 1e8  # what stands for it where there must be a number
_T = TypeVar("_T")
_IS_COOPERATIVE = bool(monkey.is_module_patched("select"))


class _Late(psycopg.OperationalError):
    """A wait of ours is over. gevent's timers may be early by what its loop was busy: the clock alone cannot tell."""


class PoolerFault(psycopg.OperationalError):
    """A pooler in front of PostgreSQL makes less of a connection than we need. The words say what to set.

    They name no place: all may read them.
    """


class BoundedConnection(psycopg.Connection[Any]):
    """A psycopg connection that gives up at a moment of ours and closes itself, so that nobody uses it again.

    The server's own time-outs end what the server knows of. A server that is frozen, or behind a link that swallows
    everything, keeps none of them; nor does a commit that waits for a synchronous standby.
    """

    INTERVAL_S: ClassVar[float] = 0.1  # how often psycopg looks up from a wait

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin without an end; `ends_at` is on the monotonic clock, in seconds."""
        super().__init__(*arguments, **options)
        self.made_at = time.monotonic()
        self.ends_at = FOREVER
        self.warning: str | None = None
        self.add_notice_handler(self._note)

    def wait(self, gen: PQGen[_T], interval: float = INTERVAL_S, timeout: float | None = None) -> _T:
        """Wait for the server until `ends_at`. Raises OperationalError, with the connection closed, after that."""
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
            raise psycopg.OperationalError("no answer from the server in time") from error

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Remember a warning. A commit that comes with one kept only a part of what it promises."""
        if notice.severity_nonlocalized == "WARNING":
            self.warning = notice.message_primary

    def has_unread(self) -> bool:
        """Tell whether the server said something unasked, or has left. Waits for nothing."""
        return polling.has_unread(self.fileno())

    @property
    def is_busy(self) -> bool:
        """Whether a statement was left while it ran."""
        return self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and out of any transaction."""
        return self.pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def is_in_failed_transaction(self) -> bool:
        """Whether a commit would be a rollback, which the server reports as a success."""
        return self.pgconn.transaction_status == pq.TransactionStatus.INERROR


def _wait_cooperatively(gen: PQGen[_T], descriptor: int, timeout_s: float) -> _T:
    """Do what psycopg's own wait does, letting other greenlets run: by one watcher, where it makes a poll a turn.

    Raises OperationalError after `timeout_s`.
    """
    hub = gevent.get_hub()
    try:
        wanted = next(gen)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    watcher, timer = hub.loop.io(descriptor, int(wanted)), hub.loop.timer(min(timeout_s, _YEARS_S))
    timer.start(gevent.getcurrent().throw, _Late, "wait timed out")  # what gevent.Timeout does, at a third of the price
    try:
        while True:
            hub.wait(watcher)
            # Whichever of the two it is: reading and writing what is not ready does nothing.
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
"""For every connection: a peer that is gone without a word is noticed within seconds."""


PATH = "pg_catalog,pg_temp"
"""Where names without a schema are looked up: never where another role can put something. A path that does not name
`pg_temp` begins with it for types and tables."""


VALUES = {
    "array_nulls": "on",  # or NULL in an array would be a text
    "bytea_output": "hex",
    "client_min_messages": "notice",  # a commit may come with a warning, and is none then
    "DateStyle": "ISO,MDY",
    "default_transaction_isolation": r"read\ committed",  # what waits for others and looks again is written for it
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
"""What values look like and statements mean in every session, of migrations too. Each may have been set otherwise for
all sessions of a database or a role."""
_ENVIRONMENT = ("PGDATESTYLE", "PGTZ")
"""What libpq sends beside the options, and PostgreSQL prefers, if the environment names it."""


def arguments(settings: Settings, *, name: str, statement_ms: int) -> dict[str, Any]:
    """Return libpq's parameters for every connection: no wait of ours is without a limit."""
    session = {
        "search_path": PATH,
        "statement_timeout": statement_ms,
        "lock_timeout": settings.lock_ms,
        "idle_in_transaction_session_timeout": 10_000,
        "client_connection_check_interval": 1_000,  # a statement whose client gave up ends too
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",  # what the plan tests pin is what runs
        # No statement of the service is better without an index, and a plan made while a table is empty may stay.
        "enable_seqscan": "off",
    }
    return {
        "application_name": release.named(name),
        "client_encoding": "utf8",  # whatever the environment says: parameters go out in it
        "connect_timeout": settings.connect_s,
        **NETWORK,
        "options": _words(session),
    }


def options(url: str, ours: str) -> str:
    """Return `ours`, words for the command line of a session, and behind them those of `url`: the operator's win.

    Last comes what values look like, which is nobody's choice: what was set by a database, a role or `url` is undone.
    """
    given = conninfo_to_dict(normal(url)).get("options")
    return " ".join([ours, *([str(given)] if given else []), _words(VALUES)])


def _words(session: Mapping[str, object]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in session.items())


def asked(options: str) -> dict[str, str]:
    """Return the settings that words for the command line of a session name, as `options` puts them together."""
    return {name.replace("-", "_").lower(): _ESCAPED.sub(r"\1", value) for name, value in _SETTING.findall(options)}


def normal(url: str) -> str:
    """Return `url` as libpq reads it."""
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


_SETTING = re.compile(r"(?<!\S)(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REFUSAL = re.compile("unsupported (options )?startup parameter")
REFUSES = (
    "the pooler (pgbouncer) in front of PostgreSQL takes no settings at the start of a session: set "
    "ignore_startup_parameters = options in pgbouncer.ini, and give them to the role by `rowline db pooler --apply`"
)


def connector(
    url: str, parameters: dict[str, Any], kind: type[BoundedConnection] = BoundedConnection
) -> Callable[[], BoundedConnection]:
    """Return what opens a connection to `url`: libpq alone reads it, wherever it is used.

    It raises psycopg.Error, PoolerFault among it.
    """
    conninfo = normal(url)

    def connect() -> BoundedConnection:
        try:
            connection = kind.connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            if _REFUSAL.search(str(error)):
                raise PoolerFault(REFUSES) from error
            raise
        if any(map(os.environ.get, _ENVIRONMENT)):
            _settle(connection)
        return connection

    return connect


def _settle(connection: BoundedConnection) -> None:
    """Undo what the environment says of values. Raises psycopg.Error."""
    connection.ends_at = time.monotonic() + SETTLE_S
    connection.execute("select set_config('DateStyle', 'ISO,MDY', false), set_config('TimeZone', 'UTC', false)")
    if not connection.autocommit:
        connection.commit()
    connection.ends_at = FOREVER
