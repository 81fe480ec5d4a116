"""What the tables share: their schema, and types of columns."""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import TIMESTAMP, MetaData, Text

SCHEMA = "rowline"
UPGRADER_LOCK = 0x526F776C696E65  # the advisory lock of migrations: the bytes of "Rowline"

metadata = MetaData(schema=SCHEMA)


def words(of: Iterable[StrEnum]) -> str:
    """Return words between quotes, for a CHECK."""
    return ", ".join(f"'{word}'" for word in of)


WHEN = TIMESTAMP(timezone=True)
NAME = Text(collation="C")  # ordered by bytes: no locale, and no upgrade of one, can reorder or merge names
DIGEST = 32  # bytes of a SHA-256
