"""The database as the layers above see it: `begin()` for writes, `read()` for reads, and trouble as `DatabaseError`s."""

import logging
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import sqlalchemy
from sqlalchemy import event, exc

from app.infra.settings import Settings

Connection = sqlalchemy.Connection
"""What `operations` passes down as `conn`. Statements in text files go through its psycopg cursor."""

_log = logging.getLogger(__name__)
_JSON_OIDS = ("json",)


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
        self.url = url
        self._engine = sqlalchemy.create_engine(
            _sqlalchemy_url(url),
            pool_size=size,
            max_overflow=0,
            pool_timeout=settings.pool_wait_ms / 1000,
            pool_use_lifo=True,
            connect_args=connect_arguments(settings, name=name),
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
        with _translated(), self._engine.connect() as conn:
            yield conn
            _commit(conn)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one READ ONLY snapshot: all statements in the block see the same moment. Raises DatabaseError."""
        with _translated(), self._reading.connect() as conn:
            yield conn

    def close(self) -> None:
        """Close the connections that nobody uses."""
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
        "random_page_cost": "1.1",
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
    """Return `url` as psycopg itself reads it."""
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


def _sqlalchemy_url(url: str) -> sqlalchemy.URL:
    return sqlalchemy.make_url(libpq_url(url)).set(drivername="postgresql+psycopg")


def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
    """Leave JSON as text: nobody between the client and the table may change a number."""
    for name in _JSON_OIDS:
        connection.adapters.register_loader(name, psycopg.types.string.TextLoader)
    connection.prepare_threshold = 1


def _refuse_dead(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    """Drop a pooled connection whose server has gone, at the price of one poll: an idle server has nothing to say."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise exc.DisconnectionError("the server closed an idle connection")


def _commit(conn: Connection) -> None:
    try:
        conn.commit()
    except (psycopg.OperationalError, exc.OperationalError) as error:
        conn.invalidate()
        raise OutcomeUnknown("the connection to the database broke during a commit") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the driver and the pool raise for the database's own troubles into DatabaseErrors."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, exc.OperationalError, exc.InterfaceError) as error:
        raise DatabaseError(f"the database is not available: {_first_line(error)}") from error
    except exc.TimeoutError as error:
        raise DatabaseError("all database connections are in use") from error


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
