"""Detects poolers such as pgbouncer, and checks that the sessions behind them are usable.

A pooler drops the startup settings of a connection, and in transaction mode each transaction may run in another
session. So the settings are stored on the role (`script`), at no cost per transaction, and each new connection is
checked.
"""

import enum
import time
from collections.abc import Callable, Mapping

import psycopg

from app.infra import release
from app.postgres import libpq
from app.postgres.libpq import FOREVER, BoundedConnection, PoolerFault
from app.postgres.prepared import BoundStatement, PreparedConnection, name_of

LOOKS = 5
"""How often two connections must be found on different sessions before each is assumed to have its own."""
SHOWN = 4
"""How many settings a message names."""
_POOLER = "the pooler (pgbouncer) in front of PostgreSQL"
SHARES = (
    f"{_POOLER} hands sessions on with what others have prepared: in transaction mode it has to be 1.21 or newer with "
    "max_prepared_statements = 200, in session mode it needs server_reset_query = DISCARD ALL"
)
NOT_HEARD = (
    f"{_POOLER} is in transaction mode, in which nobody can LISTEN: jobs are found by polling; set ROWLINE_LISTEN_URL "
    "to PostgreSQL itself, or to a pool in session mode"
)
NOT_MIGRATED = (
    f"{_POOLER} is in transaction mode, and a migration needs a session of its own: "
    "set DATABASE_URL to PostgreSQL itself for `rowline db upgrade` and `rowline db downgrade`"
)
_SHOWN_VALUES = {name.lower() for name in libpq.VALUES} | {
    *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "client_connection_check_interval"),
    *("jit", "plan_cache_mode", "enable_seqscan", "enable_bitmapscan"),
}
"""Settings whose values may be shown. Others can name roles and schemas, or come from DATABASE_URL."""
_SETTINGS = (
    "select name, coalesce(current_setting(name, true), ''), set_config(name, value, true) "
    "from unnest(%s::text[], %s::text[]) as asked (name, value)"
)
"""The settings of a session beside those asked for, both as PostgreSQL formats them; it changes nothing lastingly."""
_CHANGED = "select session_user::text, current_database()::text"
_KEEPS_NAME = b"select count(*) from pg_prepared_statements where name = $1"
_SCRIPT = """\
-- The settings of Rowline's sessions, stored on the role, since a pooler drops the startup settings of a session.
-- Run it as the role of DATABASE_URL, through the pooler or directly. Open sessions keep their old settings.
do ${tag}$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            {values}
        ) as setting (name, value)
    loop
        perform set_config(wanted.name, wanted.value, true);
        execute format(
            'alter role %I in database %I set %s from current', session_user, current_database(), wanted.name
        );
    end loop;
end
${tag}$;"""


class PoolerMode(enum.Enum):
    """To whom the session behind a connection belongs."""

    DIRECT = "of the connection, and no pooler is in between"
    SESSION = "of the connection, by a pooler in session mode"
    TRANSACTION = "of the transaction, by a pooler that looks after prepared statements"
    UNSAFE = "one that others have used, and their prepared statements are in it"


Connect = Callable[[], BoundedConnection]


def session_of(connection: BoundedConnection) -> int:
    """Return the pid of the server's process that answers. Raises psycopg.Error."""
    [pid] = connection.execute("select pg_backend_pid()", prepare=False).fetchone() or (0,)
    return int(pid)


def mode(connection: BoundedConnection, connect: Connect) -> PoolerMode:
    """Return the mode of the session. `connect` opens another connection, for a moment, if there is a pooler.

    A pooler is detected by the process id that it sends at the start, which is not PostgreSQL's; one that tracks
    prepared statements, by the names that it gives them. Otherwise the mode is found out by whether two connections
    share a session, or one changes its session. Raises psycopg.Error.
    """
    if session_of(connection) == connection.pgconn.backend_pid:
        return PoolerMode.DIRECT
    with connect() as other:
        assert isinstance(other, PreparedConnection)
        other.ends_at = connection.ends_at
        if (keeps_name := _keeps_name(other)) is not True:
            return PoolerMode.UNSAFE if keeps_name is None else PoolerMode.TRANSACTION
        for _ in range(LOOKS):
            first, again = session_of(connection), session_of(connection)
            if first != again or session_of(other) in (first, again):
                return PoolerMode.UNSAFE
    return PoolerMode.SESSION


def require_session(connection: BoundedConnection, connect: Connect, *, otherwise: str) -> PoolerMode:
    """Return the mode of the session. Raises PoolerFault, with the message `otherwise`, in transaction mode."""
    found = mode(connection, connect)
    if found in (PoolerMode.TRANSACTION, PoolerMode.UNSAFE):
        raise PoolerFault(otherwise)
    return found


class Guard:
    """Rejects connections whose sessions do not have the settings asked for. Thread-safe.

    Without a pooler that costs one query, on the first connection.
    """

    def __init__(self, asked: Mapping[str, str], connect: Connect, *, within_s: float) -> None:
        """`asked`: the required settings; `connect`: opens a connection; `within_s`: the time limit of a check."""
        self._asked, self._connect, self._within_s = asked, connect, within_s
        self._mode: PoolerMode | None = None

    def let_in(self, connection: PreparedConnection) -> None:
        """Check a new connection; if it is unusable, close it and raise OperationalError or PoolerFault."""
        if self._mode is PoolerMode.DIRECT:
            return
        connection.ends_at = time.monotonic() + self._within_s
        try:
            found = self._mode or mode(connection, self._connect)
            if found is not PoolerMode.DIRECT and (faults := _missing(connection, self._asked)):
                raise PoolerFault(*faults)
            if found is PoolerMode.UNSAFE:
                raise PoolerFault(SHARES)
        except psycopg.Error as error:
            connection.close()
            if isinstance(error, psycopg.OperationalError):
                raise
            raise psycopg.OperationalError(str(error)) from error  # the error for an unknown setting
        connection.ends_at = FOREVER
        self._mode = found

    def forget(self) -> None:
        """Check the next connection as if it were the first."""
        self._mode = None

    def look(self, connection: PreparedConnection) -> tuple[list[str], int | None]:
        """Return the faults of its session, and its pid if no other connection may share it, else None.

        Raises psycopg.Error.
        """
        session = session_of(connection)
        if session == connection.pgconn.backend_pid:
            return [], None
        return _missing(connection, self._asked), None if _keeps_name(connection) is False else session


def script(asked: Mapping[str, str]) -> str:
    """Return the SQL that stores the settings `asked` on the role that runs it, for the current database."""
    values = [f"({quoted(name)}, {quoted(value)})" for name, value in asked.items()]
    tag = "rowline"
    while any(tag in value for value in values):
        tag += "_"
    return _SCRIPT.format(tag=tag, values=",\n            ".join(values))


def apply(url: str, asked: Mapping[str, str], *, within_s: int) -> tuple[str, str]:
    """Run `script` on a connection without startup settings, which any pooler accepts; return role and database.

    Raises psycopg.Error.
    """
    arguments = libpq.NETWORK | {"connect_timeout": within_s, "client_encoding": "utf8", "autocommit": True}
    arguments |= {"application_name": release.named("rowline-db")}
    with libpq.connector(url, arguments)() as connection:
        connection.ends_at = time.monotonic() + within_s
        connection.execute(script(asked).encode(), prepare=False)
        role, database = connection.execute(_CHANGED, prepare=False).fetchone() or ("", "")
    return role, database


def _missing(connection: BoundedConnection, asked: Mapping[str, str]) -> list[str]:
    rows = connection.execute(_SETTINGS, [list(asked), list(asked.values())], prepare=False).fetchall()
    found = [_said(*row) for row in rows if _plain(row[1]) != _plain(row[2])]
    if not found:
        return []
    more = f", and {len(found) - SHOWN} more like that" if len(found) > SHOWN else ""
    fault = f"{_POOLER} gives sessions without the settings of Rowline ({', '.join(found[:SHOWN])}{more})"
    return [f"{fault}: run `rowline db pooler --apply`, then RECONNECT on the pooler's console"]


def _keeps_name(connection: PreparedConnection) -> bool | None:
    """Return whether PostgreSQL knows a prepared statement by its own name; None if another connection prepared it."""
    try:
        found = connection.run(BoundStatement(_KEEPS_NAME, [name_of(_KEEPS_NAME)], None))
    except (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName):
        return None
    return found.get_value(0, 0) == b"1"


def _said(name: str, has: str, wanted: str) -> str:
    return (
        f"{name} is {has or 'empty'} and not {wanted}" if name in _SHOWN_VALUES else f"{name} is not what was asked for"
    )


def _plain(text: str) -> str:
    """Return a value without the spaces in lists, which PostgreSQL leaves as they were written."""
    return text.replace(", ", ",")


def quoted(text: str) -> str:
    """Return a text between quotes, as SQL and psql have it."""
    return "'" + text.replace("'", "''") + "'"
