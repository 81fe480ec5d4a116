"""Health checks: whether the database is reachable, migrated and durable."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from app.domain.doctor import REQUIRED
from app.domain.programs import Program
from app.infra.release import HEAD
from app.postgres.database import Connection, Database, DatabaseError
from app.store import programs
from app.store.tables import SCHEMA, UPGRADER_LOCK

_log = logging.getLogger(__name__)

FRESH_S = 1.0
AWAY = "the database is not available: the log has the cause"
"""What unauthenticated clients read of a DatabaseError; its message names hosts, ports, users, databases and paths."""
OLDEST = 15
VERSION = text(
    # By way of JSON: the table of older releases has no column `oldest`.
    f"select version_num, to_jsonb(version) ->> 'oldest' from {SCHEMA}.alembic_version as version"  # noqa: S608
)
UPGRADERS = text(
    "select count(*) from pg_locks where locktype = 'advisory' and granted and objsubid = 1 "
    "and database = (select oid from pg_database where datname = current_database()) "
    "and (classid::bigint << 32 | objid::bigint) = :lock"
)
BEGINS_WITH = text(
    "select coalesce(string_agg("
    "concat_ws(' ', setdatabase, setrole, setconfig), ',' order by setdatabase, setrole), '')"
    " from pg_db_role_setting"
    " where setdatabase in (0, (select oid from pg_database where datname = current_database()))"
    " and setrole in (0, (select oid from pg_roles where rolname = session_user))"
)
INVALID = text(
    "select nspname || '.' || relname from pg_index join pg_class on pg_class.oid = indexrelid "
    "join pg_namespace on pg_namespace.oid = relnamespace where nspname = :schema and not indisvalid order by 1"
)


@dataclass(frozen=True, kw_only=True)
class Version:
    """The version of the schema; a revision of None: there is no schema."""

    revision: str | None
    oldest: str | None
    """The oldest revision for which code was written that can use the schema."""
    is_moving: bool
    """Whether a migration is running."""
    release: str = HEAD
    """The revision that this code was written for."""


class Watch:
    """Checks readiness for unauthenticated clients: at most once a second, however many ask.

    Thread-safe. Changes are logged with the full cause.
    """

    def __init__(self, db: Database) -> None:
        """Check `db`, from the first call of `faults` on."""
        self._db = db
        self._checking = threading.Lock()
        self._found: tuple[float, Sequence[str]] = (0.0, ())  # good until, on the monotonic clock
        self._logged: list[str] = []
        self._begins_with: str | None = None
        self._has_faults = False

    def faults(self) -> Sequence[str]:
        """Return the faults as sentences that name no host, database or path; none if the node is ready.

        A result is reused for `FRESH_S` after its check. Calls during a check wait for its result.
        """
        found = self._found
        if time.monotonic() < found[0]:
            return found[1]
        with self._checking:
            if time.monotonic() >= self._found[0]:
                shown = self._check()
                self._found = (
                    time.monotonic() + FRESH_S,
                    shown,
                )  # from the end of the check, so that a slow one is not repeated at once
            return self._found[1]

    def _check(self) -> list[str]:
        try:
            causes = shown = self._asked()
        except DatabaseError as error:
            causes, shown = [str(error)], [str(error) if error.is_public else AWAY]
        if causes != self._logged:
            self._logged = causes
            if causes:
                _log.warning("not_ready", extra={"cause": "; ".join(causes)})
            else:
                _log.info("ready_again")
        return shown

    def _asked(self) -> list[str]:
        """Check on connections with the current settings of new sessions: open ones keep those of their start."""
        begins_with = _begins_with(self._db)
        if self._has_faults or self._begins_with not in (None, begins_with):
            self._db.renew()
        self._begins_with = begins_with
        found = _faults(self._db)
        self._has_faults = bool(found)
        return found


def faults(db: Database) -> list[str]:
    """Return what keeps this node from serving, as sentences for its operator; empty if it is ready. Checks now."""
    try:
        return _faults(db)
    except DatabaseError as error:
        return [str(error)]


def _faults(db: Database) -> list[str]:
    """Check on connections for writes and on those for reads: one kind may work without the other."""
    with db.begin() as conn:
        found = _server_faults(conn)
    return found + db.pooler_faults() + schema_faults(db)


def _begins_with(db: Database) -> str:
    """Return the settings of the database and the role for new sessions, as one string to compare."""
    with db.read() as conn:
        return str(conn.execute(BEGINS_WITH).scalar_one())


def schema_faults(db: Database) -> list[str]:
    """Return what keeps this release from using the schema, as sentences. Raises DatabaseError."""
    with db.read() as conn:
        return _schema_faults(conn)


def version(db: Database) -> Version:
    """Return the version of the schema. Raises DatabaseError."""
    with db.read() as conn:
        return _version(conn)


def connected(db: Database) -> list[Program]:
    """Return the connected programs of the service, by name and release. Raises DatabaseError."""
    with db.read() as conn:
        return programs.connected(conn)


def invalid_indexes(db: Database) -> list[str]:
    """Return the invalid indexes, whose build was interrupted: they only slow down writes. Raises DatabaseError."""
    with db.read() as conn:
        return list(conn.execute(INVALID, {"schema": SCHEMA}).scalars())


def _server_faults(conn: Connection) -> list[str]:
    found = kind_faults(conn)
    for name, (values, meaning) in REQUIRED.items():
        if (value := _setting(conn, name)) not in values:
            found.append(f"PostgreSQL has {name}={value}: {meaning}")
    return found


def kind_faults(conn: Connection) -> list[str]:
    """Return as sentences why this server cannot be used, whatever its settings are."""
    found = []
    if int(_setting(conn, "server_version_num")) < OLDEST * 10_000:
        found.append(f"PostgreSQL {_setting(conn, 'server_version')} is too old: {OLDEST} or newer is needed")
    if conn.execute(text("select pg_is_in_recovery()")).scalar_one():
        found.append("PostgreSQL is a standby: it takes no jobs")
    return found


def _schema_faults(conn: Connection) -> list[str]:
    version = _version(conn)
    revision = version.revision
    if revision == HEAD:
        return []
    if revision is None or revision < HEAD:
        waits = ": it is being migrated, and this node waits for that" if version.is_moving else ""
        todo = waits or ": run `rowline db upgrade`"
        return [f"the schema is at revision {revision or 'none'} and this release needs {HEAD}{todo}"]
    if version.oldest is not None and version.oldest <= HEAD:
        return []
    serves = f"serves programs written for {version.oldest or revision} or later"
    return [f"the schema is at revision {revision}, which {serves}, and this release is {HEAD}: start a newer release"]


def _version(conn: Connection) -> Version:
    exists = conn.execute(text("select to_regclass(:name)"), {"name": f"{SCHEMA}.alembic_version"}).scalar_one()
    found = conn.execute(VERSION).one_or_none() if exists else None
    revision, oldest = found or (None, None)
    return Version(
        revision=revision, oldest=oldest, is_moving=bool(conn.execute(UPGRADERS, {"lock": UPGRADER_LOCK}).scalar_one())
    )


def _setting(conn: Connection, name: str) -> str:
    return str(conn.execute(text("select current_setting(:name)"), {"name": name}).scalar_one())
