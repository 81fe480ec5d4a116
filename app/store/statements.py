"""Statements in text files, which run here, in psql and under EXPLAIN."""

import functools
import re
import struct
import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import psycopg
from psycopg.pq.abc import PGresult
from sqlalchemy import CompoundSelect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.infra.cooperation import give_way
from app.postgres.database import Connection
from app.postgres.pool import driver_of
from app.postgres.prepared import BoundStatement, Make
from app.store import counting, options

_PARTS = re.compile(r"(?P<skip>--[^\n]*|'(?:[^']|'')*')|:(?P<name>[a-z_]+)(?:::(?P<type>[a-z]+\[\]))?|(?P<cast>::)")
_SHARED = re.compile(r"^( *):_(\w+)\n", re.MULTILINE)
_DIALECT = PGDialect_psycopg(paramstyle="named")  # type: ignore[no-untyped-call]
Encode = Callable[[Any], bytes | None]
_TEXT_OID = psycopg.adapters.types["text"].oid
_ARRAY_HEAD, _ARRAY_SIZE, _ARRAY_LENGTH = struct.Struct("!iiI"), struct.Struct("!ii"), struct.Struct("!i")
_ARRAY_NULL = _ARRAY_LENGTH.pack(-1)
_LONG = 1_000  # values, which take a ms or two to encode


@functools.cache
def fragment(name: str) -> str:
    """Return a fragment that statements share: of `options.FRAGMENTS`, or of `sql/_fragments` without its comment."""
    return options.FRAGMENTS.get(name) or re.sub(r"\A(--.*\n)+", "", _read(f"_fragments/{name}"))


def whole(text: str, *, tells: bool = True) -> str:
    """Insert the fragments that a statement names, each on its own line, `:_bytes`, as psql does (`sql/psql.sql`).

    `:_counted` and its like are made for the statement, which `tells` which jobs it changed, or not: psql counts all
    statuses, with the same effect.
    """

    def filled(part: str) -> str:
        return _SHARED.sub(lambda named: textwrap.indent(shared(named[2]), named[1]), part)

    def shared(name: str) -> str:
        return counting.fragments(text, tells=tells)[name] if name in counting.MADE else filled(fragment(name))

    return filled(text)


def _read(name: str) -> str:
    return resources.files("app.store").joinpath("sql", f"{name}.sql").read_text()


class Statement:
    """A statement of `app/store/sql/<module>/<function>.sql`. Its `:name`s are converted for the driver once."""

    def __init__(
        self, name: str, text: str | None = None, *, change: Callable[[str], str] = str, verb: str = ""
    ) -> None:
        """Read the file `name`, such as `leases/claim`, unless the `text` is given; `change` it once it is whole.

        `verb` is told instead of that of its first line.
        """
        self.name = name
        read = _read(name) if text is None else text
        if verb:
            read = re.sub(r"\A-- \w+:", f"-- {verb}:", read)
        self.text, quiet = (change(whole(read, tells=tells)) for tells in (True, False))
        numbers: dict[str, int] = {}
        types: dict[str, str] = {}

        def numbered(match: re.Match[str]) -> str:
            name, array_type = match["name"], match["type"]
            if not name:
                return match[0]
            number = numbers.setdefault(name, len(numbers) + 1)
            if not array_type:
                return f"${number}"
            types[name] = array_type
            return f"${number}::{array_type}"

        self.prepared = _PARTS.sub(numbered, self.text)
        """The text as PREPARE accepts it, with `$1`, `$2` for the parameters."""
        self.parameters = tuple(numbers)
        self.quiet = self.prepared if quiet == self.text else _PARTS.sub(numbered, quiet)
        """The same where events are off: it does not tell which jobs it changed."""
        self._encoders = tuple((parameter, _encoder(types.get(parameter))) for parameter in self.parameters)
        self._formats = [int(types.get(parameter) == "text[]") for parameter in self.parameters]
        self._texts = {True: self.prepared.encode(), False: self.quiet.encode()}
        self._make: Make | None = None

    def rows(self, conn: Connection, **parameters: Any) -> Sequence[Any]:
        """Run it and return its rows, with the columns as attributes. Raises psycopg's errors."""
        driver = driver_of(conn)
        result = driver.run(self._bound(parameters, driver.tells))
        if self._make is None:
            self._make = _row(result)
        return driver.rows(result, self._make)

    def send(self, conn: Connection, **parameters: Any) -> Callable[[], Sequence[tuple[Any, ...]]]:
        """Send it in a block of `Database.pipeline`; call the result after the block to get its rows, as tuples."""
        driver = driver_of(conn)
        answer = driver.queue(self._bound(parameters, driver.tells))
        return lambda: answer.rows

    def _bound(self, parameters: Mapping[str, Any], tells: bool) -> BoundStatement:  # noqa: FBT001 - called above
        values = [encode(parameters[name]) for name, encode in self._encoders]
        return BoundStatement(self._texts[tells], values, self._formats)


def composed(name: str, select: Select[Any] | CompoundSelect[Any]) -> Statement:
    """Compile a SQLAlchemy select into a statement, once: compiling takes longer than running it."""
    return Statement(name, str(select.compile(dialect=_DIALECT)))


def _row(result: PGresult) -> Make:
    """Return a function that makes rows with the columns of `result` as attributes."""
    columns = [((result.fname(nth) or b"").decode(), Any) for nth in range(result.nfields)]
    make: Make = NamedTuple("Row", columns)._make
    return make


def _encoder(array_type: str | None) -> Encode:
    """Return the encoder of a parameter: psycopg's own for lists takes longer than the rest of a statement."""
    if array_type is None:
        return _plain
    return _texts if array_type == "text[]" else _literal


def _plain(value: object) -> bytes | None:
    """Encode a text, a number, a boolean, a UUID, bytes or a time for PostgreSQL. Raises psycopg.DataError."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    written = str(value).encode()
    if b"\x00" in written:
        raise psycopg.DataError("a text must not contain NUL")  # libpq would cut it there
    return written


def _literal(values: Sequence[object]) -> bytes:
    """Encode an array of values that need no quotes: numbers, booleans, UUIDs."""
    if len(values) > _LONG:
        give_way()
    return ("{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}").encode()


def _texts(texts: Sequence[str | None]) -> bytes:
    """Encode an array in the binary format: in the text format most characters of JSON would need escapes."""
    if len(texts) > _LONG:
        give_way()
    parts = [_ARRAY_HEAD.pack(1 if texts else 0, None in texts, _TEXT_OID)]
    if texts:
        parts.append(_ARRAY_SIZE.pack(len(texts), 1))
    for text in texts:
        if text is None:
            parts.append(_ARRAY_NULL)
        else:
            element = text.encode()
            parts += (_ARRAY_LENGTH.pack(len(element)), element)
    return b"".join(parts)
