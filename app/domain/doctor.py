"""What the doctor looks at, and what it says of that. The rules in between are in `diagnosis`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.programs import Program

REQUIRED = {
    "fsync": ({"on"}, "an acknowledged job can be lost"),
    "full_page_writes": ({"on"}, "an acknowledged job can be lost"),
    "synchronous_commit": ({"on", "remote_write", "remote_apply"}, "an acknowledged job can be lost"),
    "default_transaction_read_only": ({"off"}, "it takes no jobs"),
    "server_encoding": ({"UTF8"}, "not every name and text can be stored"),
}
"""Setting of PostgreSQL -> the allowed values, and the consequence of any other. A node is not ready with another."""
OF_ROLES = ("synchronous_commit", "default_transaction_read_only", "idle_session_timeout")
"""Settings that a role or a database may have of its own."""
DAMAGING = {
    "zero_damaged_pages": "a damaged page is emptied, and its jobs are lost without an error",
    "ignore_checksum_failure": "damaged pages are used as if they were whole",
}
"""Settings that must be off, and the consequence if they are on."""
UNVACUUMED = {"autovacuum": "nobody removes dead rows", "track_counts": "autovacuum does not see what is to be done"}
"""Settings that should be on, and the consequence if they are off."""
IDLE_LEAST_MS = 60_000
"""A shorter `idle_session_timeout` ends connections that Rowline keeps, and the one that listens."""
SETTINGS = (*REQUIRED, *DAMAGING, *UNVACUUMED, "data_checksums", "idle_session_timeout")
"""The settings of the session that are looked at."""
_COMMANDS = {
    *("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "COPY", "FETCH"),
    *("DECLARE", "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PREPARE"),
    *("EXECUTE", "DEALLOCATE", "DISCARD", "SET", "RESET", "SHOW", "LOCK", "VACUUM", "ANALYZE", "EXPLAIN"),
    *("CREATE", "ALTER", "DROP", "TRUNCATE", "REINDEX", "CLUSTER", "REFRESH", "LISTEN", "UNLISTEN"),
    *("NOTIFY", "CALL", "DO", "CHECKPOINT", "GRANT", "REVOKE", "COMMENT"),
}
_PROGRAM = re.compile(r"rowline-[a-z]{1,20}(?: [0-9]{4})?|psql|pg_dump|pg_dumpall|pg_restore|pgbench|walreceiver")
XID_FAILSAFE = 1_600_000_000
"""From this age on PostgreSQL itself takes emergency measures; at 2,100,000,000 it refuses all writes."""
FREEZE_SHARE = 1.5
"""Autovacuum begins at `autovacuum_freeze_max_age`; at so many times that age it does not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is a finding."""

    snapshot_s: float = 60.0
    prepared_s: float = 60.0
    slot_bytes: int = 2**30  # of WAL that an active slot holds; an inactive one may hold none
    dead_rows: int = 100_000  # of a table, if it has fewer live rows than twice as many
    notify_s: float = 1.0
    connections_share: float = 0.8
    waited_s: float = 600.0  # of terms that wait for transactions


class Severity(StrEnum):
    """How bad a finding is."""

    BROKEN = "broken"  # it breaks a promise, or will soon
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong. It holds nothing of jobs, and no statement of a session."""

    code: str
    severity: Severity
    found: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What keeps dead rows from being removed: a session, a prepared transaction, a replication slot, a standby."""

    kind: str  # session, prepared, slot or standby
    name: str  # as `shown_program` shows it; of a prepared transaction its number, of a slot its name
    pid: int | None
    role: str | None
    state: str | None
    since: datetime | None  # None: it cannot be seen, or it has no beginning
    held_s: float | None
    statement: str | None  # the words that `first_words` shows
    transactions: int  # how many have begun since
    is_hidden: bool = False  # this role may not see since when, and what it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransaction:
    """A transaction that waits for COMMIT PREPARED; it keeps its locks until then, over restarts too."""

    number: str  # its transaction id; its name was chosen by a client, and is not shown
    role: str
    since: datetime
    held_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot."""

    name: str
    is_active: bool
    wal_status: str | None
    held_bytes: int | None  # of WAL


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table of the service, as PostgreSQL's statistics estimate it."""

    name: str
    live_rows: int
    dead_rows: int
    is_vacuumed: bool  # unless it says otherwise itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimit:
    """A limit of connections, and how many of them are used."""

    name: str
    used: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSetting:
    """A setting that a role, or all roles in a database, begin with."""

    whose: str
    altered: str  # whom ALTER names
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRight:
    """A right that a role lacks."""

    role: str
    right: str
    on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What has work to do, and how far each is. What is the same in two looks stands still."""

    deltas: int
    folded: str  # how far the fold is; it changes with each
    plans: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, str] = field(default_factory=dict)

    def still(self, now: "Progress") -> "Progress":
        """Return what of this is the same `now`."""
        is_same = bool(self.deltas and now.deltas and self.folded == now.folded)
        return Progress(
            deltas=self.deltas if is_same else 0,
            folded=self.folded,
            plans={name: mark for name, mark in self.plans.items() if now.plans.get(name) == mark},
            terms={name: mark for name, mark in self.terms.items() if now.terms.get(name) == mark},
        )

    @property
    def is_any(self) -> bool:
        """Whether there is any work."""
        return bool(self.deltas or self.plans or self.terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the doctor says: all findings, the worst first, and the facts that are figures."""

    findings: Sequence[Finding]
    facts: "Facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found. What needs the tables is empty if this release cannot use the schema."""

    now: datetime
    server: Sequence[str] = ()  # faults that `health` finds in sentences, by which a node is not ready
    schema: Sequence[str] = ()
    pooler: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    of_roles: Sequence[RoleSetting] = ()
    holders: Sequence[Holder] = ()  # the oldest first
    prepared: Sequence[PreparedTransaction] = ()
    slots: Sequence[Slot] = ()
    tables: Sequence[TableState] = ()
    limits: Sequence[ConnectionLimit] = ()
    rowline_connections: int = 0
    xid_age: int = 0
    freeze_max_age: int = 200_000_000
    notify_s: float | None = None  # None: none arrived
    programs: Sequence[Program] = ()
    revision: str | None = None
    missing: Sequence[MissingRight] = ()
    invalid_indexes: Sequence[str] = ()
    deltas: int = 0
    is_fold_still: bool = False  # none of them was folded while the doctor looked
    still_plans: Sequence[str] = ()  # those that made no step meanwhile
    still_terms: Sequence[str] = ()
    waiting_terms: Sequence[str] = ()
    unreadable: Sequence[str] = ()  # queues whose endpoints no key of this process decrypts


def shown_program(application_name: str) -> str:
    """Return the name of a program that is known; any other was chosen by a client, who may put anything into it."""
    return application_name if _PROGRAM.fullmatch(application_name) else "(another program)"


def shown_statement(query: str | None) -> str:
    """Return the command of a statement, without anything that could be a value: one word of SQL."""
    text = (query or "").lstrip()
    while text.startswith("--"):
        text = text.partition("\n")[2].lstrip()
    word = re.match("[A-Za-z]*", text)
    command = word[0].upper() if word else ""
    return command if command in _COMMANDS else "(another statement)"


_UNITS_MS = {"": 1, "us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def time_ms(value: str) -> float | None:
    """Return the ms of a time as PostgreSQL takes it, such as 10s; None if it is none."""
    found = re.fullmatch(r" *([0-9]{1,12}(?:\.[0-9]{1,6})?) *([a-z]*) *", value)
    return float(found[1]) * _UNITS_MS[found[2]] if found and found[2] in _UNITS_MS else None
