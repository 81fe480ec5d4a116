"""The database as the layers above see it: `begin()` for writes, `read()` for reads, trouble as `DatabaseError`s."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import event, exc

from app.infra.notify import Listener, Notifier
from app.infra.settings import Settings

Connection = sqlalchemy.Connection
"""What `operations` passes down as `conn`. Statements in text files go through its psycopg cursor."""

_NOT_SET_UP = {"42P01", "3F000", "42501"}  # no such table, no such schema, no right to it


class DatabaseError(Exception):
    """PostgreSQL could not do what it was asked for a reason that is not the caller's. Nothing was stored."""

    code: ClassVar[str] = "database_unavailable"


class OutcomeUnknown(DatabaseError):
    """The connection broke while a commit was on its way: it may have happened or not."""

    code = "outcome_unknown"


class Database:
    """A pool of connections. Made once a process, after any fork."""

    def __init__(self, settings: Settings, *, url: str, size: int, name: str) -> None:
        """Prepare up to `size` connections to `url`, opened when needed; `name` shows in pg_stat_activity."""
        self._url = libpq_url(url)
        self._arguments = connect_arguments(settings, name=name)
        given = conninfo_to_dict(self._url).get("options")
        if given:  # the operator's come last, and win
            self._arguments["options"] += f" {given}"
        self._notifier = Notifier(self._url, self._arguments)
        self._listeners: list[Listener] = []
        self._engine = engine(
            url,
            self._arguments,
            pool_size=size,
            max_overflow=0,
            pool_timeout=settings.pool_wait_ms / 1000,
            pool_use_lifo=True,
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "checkout", _refuse_dead)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction (READ COMMITTED): committed at the end of the block, rolled back by an exception.

        Raises DatabaseError when the database is away, overloaded or too slow, OutcomeUnknown when only the answer
        to the commit is missing.
        """
        with translated(), self._engine.connect() as conn:
            conn.begin()  # text statements go past SQLAlchemy, which would see nothing to commit
            with _broken_discarded(conn):
                yield conn
            _commit(conn)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot: all statements in the block see the same moment. Raises DatabaseError."""
        with translated(), self._reading.connect() as conn, _broken_discarded(conn):
            yield conn

    def announce(self, topic: str) -> None:
        """Wake whoever listens to `topic`, soon and only as a hint. Never blocks, never fails."""
        self._notifier.ring(topic)

    def listen(self, topic: str, on_wake: Callable[[], None]) -> None:
        """Have a thread call `on_wake` when `topic` is announced, and whenever an announcement may have been lost."""
        listener = Listener(self._url, self._arguments, topic=topic, on_wake=on_wake)
        self._listeners.append(listener)
        listener.start()

    def close(self) -> None:
        """Close the connections that nobody uses; announce and listen no more."""
        self._notifier.close()
        for listener in self._listeners:
            listener.stop()
        self._engine.dispose()


def connect_arguments(settings: Settings, *, name: str) -> dict[str, Any]:
    """Return libpq's parameters for every connection: no wait of ours is without a limit."""
    session = {
        "statement_timeout": settings.statement_ms,
        "lock_timeout": settings.lock_ms,
        "idle_in_transaction_session_timeout": 10_000,
        "TimeZone": "UTC",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",  # what the plan tests pin is what runs
        # No statement of the service is better without an index, and a plan made while a table is empty may stay.
        "enable_seqscan": "off",
    }
    return {
        "application_name": name,
        "connect_timeout": settings.connect_s,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 5_000,
        "options": " ".join(f"-c {key}={value}" for key, value in session.items()),
    }


def libpq_url(url: str) -> str:
    """Return `url` as libpq reads it."""
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


def engine(url: str, arguments: dict[str, Any], **options: Any) -> sqlalchemy.Engine:
    """Make an engine whose connections are psycopg's own: libpq alone reads the URL, wherever it is used."""
    conninfo = libpq_url(url)
    return sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo, **arguments), **options
    )


def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
    """Leave JSON as text: nobody between the client and the table may change a number."""
    connection.adapters.register_loader("json", psycopg.types.string.TextLoader)


def _refuse_dead(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    """Drop a pooled connection whose server has gone, at the price of one poll: an idle server has nothing to say."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise exc.DisconnectionError("the server closed an idle connection")


@contextmanager
def _broken_discarded(conn: Connection) -> Iterator[None]:
    """Keep a connection that broke in a text statement, unseen by SQLAlchemy, from going back into the pool."""
    try:
        yield
    except psycopg.Error:
        driver = conn.connection.driver_connection
        if driver is not None and driver.closed:
            conn.invalidate()
        raise


def _commit(conn: Connection) -> None:
    try:
        conn.commit()
    except (psycopg.Error, exc.DBAPIError) as error:
        conn.invalidate()
        raise OutcomeUnknown(f"a commit got no answer: {_first_line(error)}") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver and the pool raise for the database's own troubles into DatabaseErrors."""
    try:
        yield
    except (psycopg.Error, exc.DBAPIError) as error:
        if not _is_trouble(error):
            raise
        raise DatabaseError(f"the database is not available: {_first_line(error)}") from error
    except exc.TimeoutError as error:
        raise DatabaseError("all database connections are in use") from error


def _is_trouble(error: Exception) -> bool:
    """Tell the database's own troubles, a missing schema or right among them, from faults of a statement of ours."""
    driver = getattr(error, "orig", None) or error
    if isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return True
    return isinstance(driver, psycopg.Error) and (driver.sqlstate or "") in _NOT_SET_UP


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
