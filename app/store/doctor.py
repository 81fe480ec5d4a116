"""What the doctor reads of the server, the roles, the tables and the work."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.domain.doctor import (
    OF_ROLES,
    SETTINGS,
    ConnectionLimit,
    Holder,
    Limits,
    MissingRight,
    PreparedTransaction,
    Progress,
    RoleSetting,
    Slot,
    TableState,
    shown_program,
    shown_statement,
)
from app.domain.terms import TAGS
from app.postgres.database import Connection
from app.store import programs
from app.store.statements import Statement

_ages = Statement("doctor/ages")
_connections = Statement("doctor/connections")
_holders = Statement("doctor/holders")
_of_roles = Statement("doctor/of_roles")
_prepared = Statement("doctor/prepared")
_progress = Statement("doctor/progress")
_rights = Statement("doctor/rights")
_sealed = Statement("doctor/sealed")
_settings = Statement("doctor/settings")
_slots = Statement("doctor/slots")
_tables = Statement("doctor/tables")

LISTED = 100
"""The most holders of snapshots, and rights, that are read."""
ENDPOINTS_MAX = 1_000
"""The most endpoints whose secrets are tried."""


def of_server(conn: Connection) -> dict[str, Any]:
    """Return the members of `Facts` that need no table of the service."""
    [ages] = _ages.rows(conn)
    [used] = _connections.rows(conn)
    return {
        "now": ages.now,
        "xid_age": ages.xid_age,
        "freeze_max_age": ages.freeze_max_age,
        "settings": {row.name: row.setting for row in _settings.rows(conn, names=SETTINGS)},
        "of_roles": [RoleSetting(**row._asdict()) for row in _of_roles.rows(conn, names=OF_ROLES)],
        "holders": [_holder(row) for row in _holders.rows(conn, most=LISTED)],
        "prepared": [PreparedTransaction(**row._asdict()) for row in _prepared.rows(conn)],
        "slots": [Slot(**row._asdict()) for row in _slots.rows(conn)],
        "tables": [TableState(**row._asdict()) for row in _tables.rows(conn)],
        "limits": [
            ConnectionLimit(name="the server", used=used.used, most=used.most),
            ConnectionLimit(name="this database", used=used.of_database, most=used.most_of_database),
            ConnectionLimit(name="this role", used=used.of_role, most=used.most_of_role),
        ],
        "rowline_connections": used.of_rowline,
        "programs": programs.connected(conn),
        "missing": [MissingRight(**row._asdict()) for row in _rights.rows(conn, most=LISTED)],
    }


def _holder(row: Any) -> Holder:
    members = row._asdict()
    query = members.pop("query")
    is_session = row.kind in ("session", "standby")
    return Holder(
        **members
        | {
            "name": shown_program(row.name or "") if is_session else row.name,
            "statement": None if row.is_hidden or not is_session else shown_statement(query),
        }
    )


class Look(NamedTuple):
    """How far the work is, and the terms that have waited for long."""

    progress: Progress
    waiting_terms: Sequence[str]


def look(conn: Connection, *, limits: Limits) -> Look:
    """Look how far the work is that is to be done at once. The schema must be usable."""
    [row] = _progress.rows(conn, waited_s=limits.waited_s)
    progress = Progress(
        deltas=row.deltas,
        folded=row.folded,
        plans=json.loads(row.plans),
        terms={_named(name): mark for name, mark in json.loads(row.terms).items()},
    )
    return Look(progress, [_named(name) for name in json.loads(row.waiting)])


def _named(name: str) -> str:
    return "the tags of all queues" if name == f"/{TAGS}" else name


class SealedEndpoint(NamedTuple):
    """The encrypted values of an endpoint."""

    queue: str
    values: tuple[bytes, bytes]


def sealed(conn: Connection) -> list[SealedEndpoint]:
    """Return the encrypted values of up to ENDPOINTS_MAX endpoints."""
    return [
        SealedEndpoint(row.queue, (bytes(row.headers), bytes(row.secrets)))
        for row in _sealed.rows(conn, most=ENDPOINTS_MAX)
    ]
