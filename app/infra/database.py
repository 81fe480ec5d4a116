"""The database as the layers above see it: `begin()` for writes, `read()` for reads, trouble as `DatabaseError`s.

Connections commit each statement by itself; a block of several sends BEGIN. What is one statement saves two round trips
by `write_once()` and `read_once()`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import sqlalchemy
from sqlalchemy import exc

from app.infra import libpq, poolers
from app.infra.libpq import BoundedConnection, PoolerFault
from app.infra.notify import Listener, Notifier
from app.infra.pool import Pool
from app.infra.prepared import SNAPSHOT, PreparedConnection
from app.infra.semaphore import FairSemaphore
from app.infra.settings import Settings
from app.infra.wakeups import WakeupMonitor

Connection = sqlalchemy.Connection
"""What `operations` passes down as `conn`. Statements in text files go through its psycopg cursor."""

_NOT_SET_UP = {"42P01", "42703", "3F000", "42501"}  # no such table, column or schema, no right to it
_WORTH_ANOTHER_TRY = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, a lock not had in time
_READ_ONLY, _NO_RIGHT = "25006", "42501"
"""What a session may say for as long as it lives of what it was opened with, and none that is opened later does."""
_READING = (
    # Pages come from an index in its order. Where a table has no statistics PostgreSQL may take a queue for a few jobs,
    # and would rather collect and sort them.
    "-c enable_bitmapscan=off"
)
_OURS = {"autocommit": True, "prepare_threshold": None}
"""What psycopg prepares by itself it would take back after a ROLLBACK, with all that is prepared."""
REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
"""What PostgreSQL, or the driver, says to a statement that cannot be done as it is. Nothing of it was stored."""
_STATEMENT_SHARE = 0.9
"""Of the time for a whole transaction: so a slow statement is ended by the server, and the connection stays."""


class DatabaseError(Exception):
    """PostgreSQL could not do what it was asked for a reason that is not the caller's. Nothing was stored."""

    code: ClassVar[str] = "database_unavailable"

    def __init__(self, message: str, *, is_worth_another_try: bool = False, is_for_all: bool = False) -> None:
        """`is_worth_another_try`: only another transaction was in the way, or an old session; it may succeed now.

        `is_for_all`: the message names no place, and strangers may read it.
        """
        super().__init__(message)
        self.is_worth_another_try = is_worth_another_try
        self.is_for_all = is_for_all


class OutcomeUnknown(DatabaseError):
    """The commit was on its way when its answer was lost or came with a warning: it may have happened or not."""

    code = "outcome_unknown"


class Database:
    """A pool of connections. Made once a process, after any fork."""

    def __init__(self, settings: Settings, *, url: str, size: int, name: str, limit_ms: int | None = None) -> None:
        """Prepare up to `size` connections to `url`, opened when needed; pg_stat_activity shows `name`.

        A `begin()` or `read()` ends after `limit_ms` at the latest, the wait for a connection and the commit among
        it; by default after twice the time that one statement may take.
        """
        self.size = size
        self.limit_s = (limit_ms or 2 * settings.statement_ms) / 1000
        self._wait_s = settings.pool_wait_ms / 1000
        statement_ms = min(settings.statement_ms, int(self.limit_s * 1000 * _STATEMENT_SHARE))
        arguments = _arguments(url, settings, name=name, statement_ms=statement_ms)
        self._notifier = Notifier(url, arguments)
        self.wakeups = WakeupMonitor()
        heard_at = settings.listen_url or url
        heard_by = _arguments(heard_at, settings, name=name, statement_ms=statement_ms)
        self._listener = Listener(heard_at, heard_by, on_loss=self.wakeups.lose)
        self._semaphore = FairSemaphore(size)
        reading = arguments | {"options": f"{arguments['options']} {_READING}"}
        look = libpq.connector(url, arguments | _OURS, PreparedConnection)
        self._guard = poolers.Guard(session(settings, url), look, within_s=settings.connect_s)
        self._writing, self._reading = (_pool(url, each, self._guard) for each in (arguments, reading))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction (READ COMMITTED): committed at the end of the block, rolled back by an exception.

        Raises DatabaseError when the database is away, overloaded or too slow, OutcomeUnknown when only the answer
        to the commit is missing.
        """
        with self._connected(self._writing) as (conn, driver):
            _begin(conn, driver, b"BEGIN")
            yield conn
            _commit(conn, driver)

    @contextmanager
    def write_once(self, *, announcing: str | None = None) -> Iterator[Connection]:
        """Give a connection for one statement, which is a transaction by itself; then announce a topic, if any.

        Raises as `begin` does; a connection that breaks under the statement leaves its outcome unknown.
        """
        with self._connected(self._writing) as (conn, driver):
            driver.warning = None
            hint = driver.hint = None if announcing is None else self._notifier.hint(announcing)
            try:
                yield conn
                is_announced = hint is not None and driver.hint is None
            except psycopg.Error as error:
                if driver.closed:
                    raise OutcomeUnknown(f"a statement got no answer: {_first_line(error)}") from error
                raise
            finally:
                driver.hint = None
            _reject_commit_warning(driver)
        if announcing is not None and not is_announced:
            self.announce(announcing)

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """Open one transaction whose statements are sent by `Statement.send`, and go out with its commit in one packet.

        Their rows are there after the block. Raises as `begin`, and OutcomeUnknown when no answer came at all.
        """
        with self._connected(self._writing) as (conn, driver):
            driver.warning = None
            driver.forget_noted()
            yield conn
            try:
                driver.ask_noted()
            except psycopg.OperationalError as error:
                if driver.closed:
                    raise OutcomeUnknown(f"a commit got no answer: {_first_line(error)}") from error
                raise
            _reject_commit_warning(driver)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot: all statements in the block see the same moment. Raises DatabaseError."""
        with self._connected(self._reading) as (conn, driver):
            _begin(conn, driver, SNAPSHOT)
            yield conn

    @contextmanager
    def read_once(self) -> Iterator[Connection]:
        """Give a connection for one statement that reads, which sees one moment. Raises DatabaseError.

        That it is READ ONLY is not said: a transaction around it costs more than it does.
        """
        with self._connected(self._reading) as (conn, _driver):
            yield conn

    @contextmanager
    def read_together(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot for statements that are sent by `Statement.send`, in one packet.

        Their rows are there after the block. Raises DatabaseError.
        """
        with self._connected(self._reading) as (conn, driver):
            driver.forget_noted()
            yield conn
            driver.ask_noted(in_snapshot=True)

    def announce(self, topic: str) -> None:
        """Wake whoever listens to `topic`, soon and only as a hint. Never blocks, never fails."""
        self._notifier.ring(topic)

    def listen(self, topic: str, on_wake: Callable[[], None]) -> Callable[[], None]:
        """Have a thread call `on_wake` when `topic` is announced, and whenever an announcement may have been lost.

        `on_wake` must not block. Returns what ends that.
        """
        return self._listener.subscribe(topic, on_wake)

    def listen_payloads(self, topic: str, on_word: Callable[[str], None]) -> None:
        """Do what `listen` does, for as long as the process lives; `on_word` gets what was said, perhaps nothing."""
        self._listener.listen_payloads(topic, on_word)

    def rest_from(self, topic: str, *, is_resting: bool) -> None:
        """Listen to a topic only while this process listens to others, or always again."""
        self._listener.rest(topic, is_resting=is_resting)

    def hears(self, topic: str) -> bool:
        """Whether this process listens to a topic now; where that connection is gone, whether it did at the end."""
        return self._listener.hears(topic)

    def rest(self) -> None:
        """Close the connections that nobody needed since this was called before; one for writing stays."""
        self._writing.rest(keep=1)
        self._reading.rest(keep=0)

    def renew(self) -> None:
        """Use none of the connections any more that are open now: each was opened with settings of its time."""
        self._writing.distrust()
        self._reading.distrust()
        self._guard.forget()

    def pooler_faults(self) -> list[str]:
        """Say what a pooler, if there is one, makes of sessions that are in use, each as a sentence for all to read.

        Raises DatabaseError.
        """
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
        """Close the connections that nobody uses; announce and listen no more."""
        self._notifier.close()
        self._listener.close()
        self._writing.close()
        self._reading.close()

    @contextmanager
    def _connected(self, pool: Pool) -> Iterator[tuple[Connection, PreparedConnection]]:
        """Give a connection, in turn, until the limit; translate the troubles of the block.

        What breaks in a text statement breaks unseen by SQLAlchemy, and must not go back into the pool. What broke one
        connection has often broken all: those made before are not trusted any more.
        """
        ends_at = time.monotonic() + self.limit_s
        is_stale = False
        if not self._semaphore.take(timeout_s=self._wait_s):
            raise DatabaseError("all database connections are in use")
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
                    if state == _READ_ONLY:  # so are the others; a right may be missing to one table alone
                        pool.distrust()
                raise
            finally:
                pool.give(conn, driver)
        except (psycopg.Error, exc.DBAPIError) as error:
            if not _is_trouble(error):
                raise
            raise _trouble(error, is_stale=is_stale) from error
        finally:
            self._semaphore.give()


def session(settings: Settings, url: str) -> dict[str, str]:
    """Return the settings that a role has to have where a pooler takes none: one value for all kinds of sessions."""
    arguments = _arguments(url, settings, name="", statement_ms=settings.statement_ms)
    return libpq.asked(f"{arguments['options']} {_READING}")


def _arguments(url: str, settings: Settings, *, name: str, statement_ms: int) -> dict[str, Any]:
    arguments = libpq.arguments(settings, name=name, statement_ms=statement_ms)
    return arguments | {"options": libpq.options(url, arguments["options"])}


def _pool(url: str, arguments: dict[str, Any], guard: poolers.Guard) -> Pool:
    def prepare(connection: PreparedConnection) -> None:
        _prepare(connection)
        guard.let_in(connection)

    return Pool(libpq.connector(url, arguments | _OURS, PreparedConnection), prepare)


def engine(url: str, arguments: dict[str, Any], **options: Any) -> sqlalchemy.Engine:
    """Make an engine whose connections are psycopg's own: libpq alone reads the URL, wherever it is used."""
    return sqlalchemy.create_engine("postgresql+psycopg://", creator=libpq.connector(url, arguments), **options)


def _prepare(connection: PreparedConnection) -> None:
    """Leave JSON as text: nobody between the client and the table may change a number."""
    connection.adapters.register_loader("json", psycopg.types.string.TextLoader)
    connection.settle_types()


def _begin(conn: Connection, driver: BoundedConnection, statement: bytes) -> None:
    driver.execute(statement, prepare=False)
    conn.begin()  # so that SQLAlchemy ends it where nobody commits


def _reject_commit_warning(driver: BoundedConnection) -> None:
    """Take a warning that came with a commit for what it is: only a part of what a commit promises was done."""
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
    """Turn what the driver and SQLAlchemy raise for the database's own troubles into DatabaseErrors."""
    try:
        yield
    except (psycopg.Error, exc.DBAPIError) as error:
        if not _is_trouble(error):
            raise
        raise _trouble(error) from error


def _trouble(error: Exception, *, is_stale: bool = False) -> DatabaseError:
    """Tell of `error`; `is_stale`: a session that is opened now may not meet it."""
    if isinstance(driver := getattr(error, "orig", None) or error, PoolerFault):
        return DatabaseError(str(driver), is_for_all=True)
    told = "a right is missing" if _state(error) == _NO_RIGHT else "the database is not available"
    return DatabaseError(
        f"{told}: {_first_line(error)}",
        is_worth_another_try=is_stale or _state(error) in _WORTH_ANOTHER_TRY,
    )


def _is_trouble(error: Exception) -> bool:
    """Tell the database's own troubles, a schema that is missing or behind among them, from faults of a statement."""
    driver = getattr(error, "orig", None) or error
    if isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return True
    return _state(error) in _NOT_SET_UP


def _state(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""


def _first_line(error: Exception) -> str:
    """Return what PostgreSQL says first; where it refuses a right, with the line in which it often says which."""
    driver = getattr(error, "orig", None) or error
    first, *more = str(driver).strip().split("\n")
    if _state(error) != _NO_RIGHT:
        return first
    details = [line.removeprefix("DETAIL:").strip() for line in more if line.startswith("DETAIL:")]
    return ": ".join([first, *details])
