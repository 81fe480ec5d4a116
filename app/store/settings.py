"""The settings of the service, which hold for every queue that has none of its own; and how retention is stored."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.domain.retention import Keep, Retention, of_json
from app.postgres.database import Connection
from app.store.statements import Statement

_find = Statement("settings/find")
_change = Statement("settings/change")
_FIELDS = {"on_complete": "remove_on_complete", "on_fail": "remove_on_fail"}


def find(conn: Connection) -> Retention:
    """Return the settings of the service."""
    found = _find.rows(conn)
    return retention(found[0]) if found else Retention()


def change(conn: Connection, *, keeps: Mapping[str, Keep | None]) -> Retention:
    """Change the fields that `keeps` names; None takes a setting away. Return the settings. Waits for a row lock."""
    return retention(_change.rows(conn, **changes(keeps))[0])


def changes(keeps: Mapping[str, Keep | None]) -> dict[str, Any]:
    """Return the parameters of a statement that changes some fields of a retention."""
    found: dict[str, Any] = {}
    for field, column in _FIELDS.items():
        keep = keeps.get(field)
        found |= {column: None if keep is None else keep.text, f"has_{field}": field in keeps}
    return found


def stored(kept: Retention) -> dict[str, str | None]:
    """Return the columns of a retention."""
    keeps: dict[str, Keep | None] = {column: getattr(kept, field) for field, column in _FIELDS.items()}
    return {column: None if keep is None else keep.text for column, keep in keeps.items()}


def retention(row: Any) -> Retention:
    """Return the retention of a row."""
    return Retention(**{field: keep(getattr(row, column)) for field, column in _FIELDS.items()})


def keep(stored: str | None) -> Keep | None:
    """Return what is kept, as it is stored."""
    return None if stored is None else of_json(orjson.loads(stored))
