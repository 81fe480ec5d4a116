"""The database for the layers above: `begin()` for writes, `read()` for reads; errors are raised as `DatabaseError`.

Connections are in autocommit mode; a block of several statements sends BEGIN. A single statement saves two round trips
by `write_once()` and `read_once()`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import sqlalchemy
from sqlalchemy import exc

from app.infra import callers
from app.infra.semaphore import FairSemaphore
from app.infra.settings import Settings
from app.postgres import libpq, poolers
from app.postgres.libpq import BoundedConnection, PoolerFault
from app.postgres.notify import Listener, Notifier
from app.postgres.pool import Pool
from app.postgres.prepared import SNAPSHOT, PreparedConnection
from app.postgres.wakeups import WakeupMonitor

Connection = sqlalchemy.Connection
"""What `operations` passes down as `conn`. Statements in text files use the psycopg connection below it."""

_NOT_SET_UP = {"42P01", "42703", "3F000", "42501"}  # no such table, column or schema, or no privilege
_WORTH_ANOTHER_TRY = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock timeout
_READ_ONLY, _NO_RIGHT = "25006", "42501"
"""Errors that may come from the settings with which a session was opened: a new session may not have them."""
_READING = (
    # Pages are read from an index in its order. Without statistics PostgreSQL may estimate a queue at a few jobs, and
    # would choose a bitmap scan and a sort.
    "-c enable_bitmapscan=off"
)
_OURS = {"autocommit": True, "prepare_threshold": None}
"""psycopg would deallocate all prepared statements after a ROLLBACK if it prepared any by itself."""
STATEMENT_ERRORS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
"""Errors of PostgreSQL, or of the driver, about the statement or its values. Nothing was stored."""
_STATEMENT_SHARE = 0.9
"""The share of a transaction's time limit for one statement: so the server ends it, and the connection is kept."""


LONG_SHARE = 4
"""One in so many connections may do work at a time that takes long: the others are there for what is short."""


class DatabaseError(Exception):
    """PostgreSQL is unavailable, too slow, overloaded or not migrated. Nothing was stored."""

    code: ClassVar[str] = "database_unavailable"

    def __init__(
        self, message: str, *, is_worth_another_try: bool = False, is_public: bool = False, lacks_right: bool = False
    ) -> None:
        """`is_worth_another_try`: the cause was another transaction, or an old session; a retry may succeed.

        `is_public`: the message names no host, database or path, and may be shown without authentication.
        `lacks_right`: the role has no right for it.
        """
        super().__init__(message)
        self.is_worth_another_try = is_worth_another_try
        self.is_public = is_public
        self.lacks_right = lacks_right


class OutcomeUnknown(DatabaseError):
    """The response to the commit was lost, or it had a warning: the request may have taken effect or not."""

    code = "outcome_unknown"


class Database:
    """The pools of connections to one database. Create it once per process, after any fork."""

    def __init__(self, settings: Settings, *, url: str, size: int, name: str, limit_ms: int | None = None) -> None:
        """Prepare up to `size` connections to `url`, opened on demand; pg_stat_activity shows `name` and the release.

        A `begin()` or `read()` ends after `limit_ms` at the latest, including the wait for a connection and the commit;
        the default is twice the time limit of a statement.
        """
        self.size = size
        self.tells = settings.events
        """Whether statements tell which jobs they changed."""
        self.limit_s = (limit_ms or 2 * settings.statement_ms) / 1000
        self.wait_s = settings.pool_wait_ms / 1000
        self.on_wait: Callable[[float], None] = lambda _waited_s: None
        """Called after each wait for a free connection, in vain or not, with its seconds."""
        statement_ms = min(settings.statement_ms, int(self.limit_s * 1000 * _STATEMENT_SHARE))
        arguments = _arguments(url, settings, name=name, statement_ms=statement_ms)
        self._notifier = Notifier(url, arguments)
        self.wakeups = WakeupMonitor()
        listen_url = settings.listen_url or url
        listening = _arguments(listen_url, settings, name=name, statement_ms=statement_ms)
        self._listener = Listener(listen_url, listening, on_loss=self.wakeups.lose)
        self._semaphore = FairSemaphore(size)
        self._long = FairSemaphore(max(1, size // LONG_SHARE))
        reading = arguments | {"options": f"{arguments['options']} {_READING}"}
        look = libpq.connector(url, arguments | _OURS, PreparedConnection)
        self._guard = poolers.Guard(session(settings, url), look, within_s=settings.connect_s)
        self._writing, self._reading = (
            _pool(url, each, self._guard, tells=self.tells) for each in (arguments, reading)
        )

    @contextmanager
    def long_work(self, *, timeout_s: float = 0.0) -> Iterator[bool]:
        """Yield whether the block may do work that takes long, once one of few permits is free, or `timeout_s` over."""
        caller = callers.current.get()
        is_mine = self._long.take(holder=caller, timeout_s=timeout_s)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._long.give(holder=caller)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction (READ COMMITTED): committed at the end of the block, rolled back by an exception.

        Raises DatabaseError if the database is away, overloaded or too slow, and OutcomeUnknown if only the response to
        the commit is missing.
        """
        with self._connected(self._writing) as (conn, driver):
            _begin(conn, driver, b"BEGIN")
            yield conn
            _commit(conn, driver)

    @contextmanager
    def write_once(self, *, notify: str | None = None) -> Iterator[Connection]:
        """Yield a connection for one statement, a transaction by itself; then `notify` a topic, if any.

        Raises as `begin` does; a connection that breaks under the statement leaves its outcome unknown.
        """
        with self._connected(self._writing) as (conn, driver):
            driver.warning = None
            notification = driver.notification = None if notify is None else self._notifier.notification(notify)
            try:
                yield conn
                is_notified = notification is not None and driver.notification is None
            except psycopg.Error as error:
                if driver.closed:
                    raise OutcomeUnknown(f"a statement got no answer: {_first_line(error)}") from error
                raise
            finally:
                driver.notification = None
            _reject_commit_warning(driver)
        if notify is not None and not is_notified:
            self.notify(notify)

    @contextmanager
    def pipeline(self) -> Iterator[Connection]:
        """Open one transaction for statements of `Statement.send`, which are sent with the commit in one packet.

        Their rows are available after the block. Raises as `begin` does, and OutcomeUnknown if there was no response.
        """
        with self._connected(self._writing) as (conn, driver):
            driver.warning = None
            driver.forget_queued()
            yield conn
            try:
                driver.run_queued()
            except psycopg.OperationalError as error:
                if driver.closed:
                    raise OutcomeUnknown(f"a commit got no answer: {_first_line(error)}") from error
                raise
            _reject_commit_warning(driver)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot for all statements of the block. Raises DatabaseError."""
        with self._connected(self._reading) as (conn, driver):
            _begin(conn, driver, SNAPSHOT)
            yield conn

    @contextmanager
    def read_once(self) -> Iterator[Connection]:
        """Yield a connection for one reading statement, which is a snapshot by itself. Raises DatabaseError.

        It is not READ ONLY: a transaction around it would cost more than the statement.
        """
        with self._connected(self._reading) as (conn, _driver):
            yield conn

    @contextmanager
    def read_pipeline(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot for statements of `Statement.send`, which are sent in one packet.

        Their rows are available after the block. Raises DatabaseError.
        """
        with self._connected(self._reading) as (conn, driver):
            driver.forget_queued()
            yield conn
            driver.run_queued(in_snapshot=True)

    def notify(self, topic: str) -> None:
        """NOTIFY the listeners of `topic` soon; the NOTIFY may be lost. Never blocks, never fails."""
        self._notifier.notify(topic)

    def listen(self, topic: str, on_wake: Callable[[], None]) -> Callable[[], None]:
        """Call `on_wake` in a thread at each NOTIFY of `topic`, and whenever one may have been lost.

        `on_wake` must not block. Returns a function that ends it.
        """
        return self._listener.subscribe(topic, on_wake)

    def listen_payloads(self, topic: str, on_payload: Callable[[str], None]) -> None:
        """Do what `listen` does, until the process ends; `on_payload` gets each payload, "" if one may be lost."""
        self._listener.listen_payloads(topic, on_payload)

    def listen_only_beside(self, topic: str, *, is_resting: bool) -> None:
        """Listen to a topic only while this process listens to other topics; or, if not `is_resting`, always."""
        self._listener.only_beside(topic, is_resting=is_resting)

    def hears(self, topic: str) -> bool:
        """Whether this process listens to a topic now; where that connection is gone, whether it did at the end."""
        return self._listener.hears(topic)

    def close_unused(self) -> None:
        """Close the connections that were not used since the previous call, except one for writing."""
        self._writing.close_unused(keep=1)
        self._reading.close_unused(keep=0)

    def renew(self) -> None:
        """Replace all open connections at their next use: their settings date from when they were opened."""
        self._writing.invalidate_all()
        self._reading.invalidate_all()
        self._guard.forget()

    def pooler_faults(self) -> list[str]:
        """Return the faults of sessions behind a pooler, if any, in sentences without hosts. Raises DatabaseError."""
        faults: list[str] = []
        sessions = []
        for pool in (self._writing, self._reading):
            with self._connected(pool) as (_conn, driver):
                missing, session = self._guard.look(driver)
            faults += [fault for fault in missing if fault not in faults]
            sessions.append(session)
        if None not in sessions and sessions[0] == sessions[1]:
            faults.append(poolers.SHARES)
        return faults

    def close(self) -> None:
        """Close the idle connections; stop notifying and listening."""
        self._notifier.close()
        self._listener.close()
        self._writing.close()
        self._reading.close()

    @property
    def in_use(self) -> int:
        """How many connections are in use now."""
        return self._semaphore.size - self._semaphore.free

    def _wait(self, caller: str) -> None:
        """Wait for a free connection, in turns by caller. Raises DatabaseError."""
        began_at = time.monotonic()
        is_granted = self._semaphore.take(holder=caller, timeout_s=self.wait_s)
        self.on_wait(time.monotonic() - began_at)
        if not is_granted:
            raise DatabaseError("all database connections are in use")

    @contextmanager
    def _connected(self, pool: Pool) -> Iterator[tuple[Connection, PreparedConnection]]:
        """Yield a connection, in turns by caller, within the time limit; translate the errors of the block.

        SQLAlchemy sees no errors of text statements. What broke one connection has often broken all: older ones go too.
        """
        ends_at = time.monotonic() + self.limit_s
        is_stale = False
        caller = callers.current.get()
        if not self._semaphore.take(holder=caller):
            self._wait(caller)
        try:
            conn, driver = pool.take()
            driver.ends_at = ends_at
            try:
                yield conn, driver
            except BaseException as error:
                if driver.closed and isinstance(error, psycopg.Error | exc.DBAPIError | DatabaseError):
                    self.renew()
                elif (state := _state(error)) in (_READ_ONLY, _NO_RIGHT):
                    is_stale = driver.made_at < ends_at - self.limit_s  # older than this block
                    driver.close()
                    if state == _READ_ONLY:  # so are the others; a privilege may be missing on one table only
                        pool.invalidate_all()
                raise
            finally:
                pool.give(conn, driver)
        except (psycopg.Error, exc.DBAPIError) as error:
            if not _is_trouble(error):
                raise
            raise _as_database_error(error, is_stale=is_stale) from error
        finally:
            self._semaphore.give(holder=caller)


def session(settings: Settings, url: str) -> dict[str, str]:
    """Return the settings that the role must have behind a pooler: the same for all kinds of sessions."""
    arguments = _arguments(url, settings, name="", statement_ms=settings.statement_ms)
    return libpq.asked(f"{arguments['options']} {_READING}")


def _arguments(url: str, settings: Settings, *, name: str, statement_ms: int) -> dict[str, Any]:
    arguments = libpq.arguments(settings, name=name, statement_ms=statement_ms)
    return arguments | {"options": libpq.options(url, arguments["options"])}


def _pool(url: str, arguments: dict[str, Any], guard: poolers.Guard, *, tells: bool) -> Pool:
    def prepare(connection: PreparedConnection) -> None:
        _prepare(connection)
        connection.tells = tells
        guard.let_in(connection)

    return Pool(libpq.connector(url, arguments | _OURS, PreparedConnection), prepare)


def engine(url: str, arguments: dict[str, Any], **options: Any) -> sqlalchemy.Engine:
    """Make an engine on connections of psycopg, so that only libpq parses the URL, here as elsewhere."""
    return sqlalchemy.create_engine("postgresql+psycopg://", creator=libpq.connector(url, arguments), **options)


def _prepare(connection: PreparedConnection) -> None:
    """Read JSON as text: no parser between the client and the table may change a number."""
    connection.adapters.register_loader("json", psycopg.types.string.TextLoader)
    connection.settle_types()


def _begin(conn: Connection, driver: BoundedConnection, statement: bytes) -> None:
    driver.execute(statement, prepare=False)
    conn.begin()  # so that SQLAlchemy rolls it back if it is not committed


def _reject_commit_warning(driver: BoundedConnection) -> None:
    """Raise OutcomeUnknown if the commit had a warning: it is then not as durable as promised."""
    if driver.warning:
        raise OutcomeUnknown(f"a commit came with a warning: {driver.warning}")


def _commit(conn: Connection, driver: BoundedConnection) -> None:
    if driver.is_in_failed_transaction:
        raise DatabaseError("the transaction failed before its end")
    if time.monotonic() >= driver.ends_at:
        driver.close()
        raise DatabaseError("the transaction took too long, and was not committed")
    driver.warning = None
    try:
        conn.commit()
    except (psycopg.Error, exc.DBAPIError) as error:
        driver.close()
        raise OutcomeUnknown(f"a commit got no answer: {_first_line(error)}") from error
    _reject_commit_warning(driver)


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the driver and of SQLAlchemy that are the database's, not a statement's, as DatabaseError."""
    try:
        yield
    except (psycopg.Error, exc.DBAPIError) as error:
        if not _is_trouble(error):
            raise
        raise _as_database_error(error) from error


def _as_database_error(error: Exception, *, is_stale: bool = False) -> DatabaseError:
    """Make the DatabaseError for `error`. `is_stale`: a new session may not have it."""
    if isinstance(driver := getattr(error, "orig", None) or error, PoolerFault):
        return DatabaseError(str(driver), is_public=True)
    lacks_right = _state(error) == _NO_RIGHT
    told = "a right is missing" if lacks_right else "the database is not available"
    return DatabaseError(
        f"{told}: {_first_line(error)}",
        is_worth_another_try=is_stale or _state(error) in _WORTH_ANOTHER_TRY,
        lacks_right=lacks_right,
    )


def _is_trouble(error: Exception) -> bool:
    """Return whether an error is the database's, such as a missing or older schema, and not a statement's."""
    driver = getattr(error, "orig", None) or error
    if isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return True
    return _state(error) in _NOT_SET_UP


def _state(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""


def _first_line(error: Exception) -> str:
    """Return the first line of PostgreSQL's message; for a missing privilege also the DETAIL that names it."""
    driver = getattr(error, "orig", None) or error
    first, *more = str(driver).strip().split("\n")
    if _state(error) != _NO_RIGHT:
        return first
    details = [line.removeprefix("DETAIL:").strip() for line in more if line.startswith("DETAIL:")]
    return ": ".join([first, *details])
