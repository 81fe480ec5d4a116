"""Statements in text files: the same file runs here, in psql and under EXPLAIN."""

import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from psycopg.rows import namedtuple_row, tuple_row

from app.infra.database import Connection

_PARTS = re.compile(r"(?P<skip>--[^\n]*|'(?:[^']|'')*'|::)|:(?P<name>[a-z_]+)|(?P<percent>%)")


class Statement:
    """One statement of `app/store/sql/<module>/<function>.sql`, its `:name`s turned into the driver's form once."""

    def __init__(self, name: str) -> None:
        """Read the file `name`, such as `leases/claim`."""
        self.name = name
        self.text = resources.files("app.store").joinpath("sql", f"{name}.sql").read_text()
        self.parameters = tuple(dict.fromkeys(m["name"] for m in _PARTS.finditer(self.text) if m["name"]))
        self.prepared = _PARTS.sub(self._numbered, self.text)
        """The text with `$1`, `$2` for the parameters in their order, as PREPARE takes it."""
        self._query = _PARTS.sub(_driver_form, self.text).encode()

    def rows(self, conn: Connection, **parameters: object) -> Sequence[Any]:
        """Run it and return its rows, values by column name. Raises psycopg's errors."""
        driver = conn.connection.driver_connection
        assert driver is not None
        with driver.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(self._query, parameters).fetchall()  # type: ignore[no-any-return]

    def send(self, conn: Connection, **parameters: object) -> Callable[[], Sequence[tuple[Any, ...]]]:
        """Send it, in a block of `Database.together`; what is returned gives its rows, as tuples, after the block."""
        driver = conn.connection.driver_connection
        assert driver is not None
        sent = driver.cursor(row_factory=tuple_row).execute(self._query, parameters)
        return sent.fetchall  # type: ignore[no-any-return]

    def _numbered(self, match: re.Match[str]) -> str:
        return f"${self.parameters.index(match['name']) + 1}" if match["name"] else match[0]


def _driver_form(match: re.Match[str]) -> str:
    if match["name"]:
        return f"%({match['name']})s"
    return match[0].replace("%", "%%")
