"""Statements in text files: the same file runs here, in psql and under EXPLAIN."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from psycopg import RawCursor
from psycopg.rows import namedtuple_row, tuple_row
from sqlalchemy import CompoundSelect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.infra.database import Connection, TextArray

_PARTS = re.compile(r"(?P<skip>--[^\n]*|'(?:[^']|'')*')|:(?P<name>[a-z_]+)(?:::(?P<type>[a-z]+\[\]))?|(?P<cast>::)")
_DIALECT = PGDialect_psycopg(paramstyle="named")  # type: ignore[no-untyped-call]
Encode = Callable[[Any], object]


class Statement:
    """One statement of `app/store/sql/<module>/<function>.sql`, its `:name`s turned into the driver's form once."""

    def __init__(self, name: str, text: str | None = None) -> None:
        """Read the file `name`, such as `leases/claim`, unless the `text` is given."""
        self.name = name
        self.text = resources.files("app.store").joinpath("sql", f"{name}.sql").read_text() if text is None else text
        found = [match for match in _PARTS.finditer(self.text) if match["name"]]
        self.parameters = tuple(dict.fromkeys(match["name"] for match in found))
        self.prepared = _PARTS.sub(self._numbered, self.text)
        """The text with `$1`, `$2` for the parameters in their order, as PREPARE takes it."""
        types = {match["name"]: match["type"] for match in found if match["type"]}
        self._encoders = tuple((parameter, _encoder(types.get(parameter))) for parameter in self.parameters)
        self._query = self.prepared.encode()

    def rows(self, conn: Connection, **parameters: Any) -> Sequence[Any]:
        """Run it and return its rows, values by column name. Raises psycopg's errors."""
        driver = conn.connection.driver_connection
        assert driver is not None
        return RawCursor(driver, row_factory=namedtuple_row).execute(self._query, self.values(parameters)).fetchall()

    def send(self, conn: Connection, **parameters: Any) -> Callable[[], Sequence[tuple[Any, ...]]]:
        """Send it, in a block of `Database.together`; what is returned gives its rows, as tuples, after the block."""
        driver = conn.connection.driver_connection
        assert driver is not None
        return RawCursor(driver, row_factory=tuple_row).execute(self._query, self.values(parameters)).fetchall

    def values(self, parameters: Mapping[str, Any]) -> list[object]:
        """Put the parameters in their order, as the driver takes them."""
        return [encode(parameters[name]) if encode else parameters[name] for name, encode in self._encoders]

    def _numbered(self, match: re.Match[str]) -> str:
        if not match["name"]:
            return match[0]
        number = f"${self.parameters.index(match['name']) + 1}"
        return f"{number}::{match['type']}" if match["type"] else number


def composed(name: str, select: Select[Any] | CompoundSelect[Any]) -> Statement:
    """Make a statement of what SQLAlchemy put together, once: putting it together takes longer than running it."""
    return Statement(name, str(select.compile(dialect=_DIALECT)))


def _encoder(array_type: str | None) -> Encode | None:
    """Say how a parameter goes to the driver, whose own way with lists takes longer than the rest of a statement."""
    if array_type is None:
        return None
    return TextArray if array_type == "text[]" else _literal


def _literal(values: Sequence[object]) -> str:
    """Write an array of what needs no quotes: numbers, booleans, UUIDs."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
