"""Raw PostgreSQL: one psycopg connection in autocommit, the statements of the service, prepared. Its own process.

python -m tests.bench.raw insert SIZE       the batches that the load client posts, until the time is up
python -m tests.bench.raw claim SIZE        claim and complete until nothing is left
python -m tests.bench.raw fill JOBS         add so many jobs, for the two sides to work on
"""

import itertools
import os
import sys
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from app.domain.attempts import TIMEOUT_GRACE_MS
from app.infra import libpq, settings
from app.store.statements import Statement
from tests.bench import jobs, window
from tests.bench.window import Window

LEASE_MS = 30_000
FILLED_AT_ONCE = 1_000
Cursor = psycopg.Cursor[tuple[Any, ...]]


def connect() -> psycopg.Connection[tuple[Any, ...]]:
    """Connect with the session settings of the service; JSON stays text, as there."""
    chosen = settings.from_env(os.environ)
    arguments = libpq.arguments(chosen, name="rowline-bench", statement_ms=chosen.statement_ms)
    url = libpq.normal(chosen.require_database_url())
    connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor, **arguments)
    connection.adapters.register_loader("json", TextLoader)
    return connection


def run(cursor: Cursor, statement: Statement, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run a statement once."""
    values = [parameters[name] for name in statement.parameters]
    return cursor.execute(statement.prepared, values, prepare=True).fetchall()


def insert(cursor: Cursor, counting: Window, *, size: int) -> None:
    """Insert batches, a transaction each, until the time is up."""
    statement, batches = Statement("jobs/insert"), jobs.columns(size)
    for batch in itertools.cycle(batches):
        counting.add(len(run(cursor, statement, batch)))
        if counting.is_over:
            return


def claim(cursor: Cursor, counting: Window, *, size: int) -> None:
    """Claim batches and complete them, a transaction each, until nothing is left."""
    claiming, completing = Statement("leases/claim"), Statement("leases/complete")
    asked = {"queue": jobs.QUEUE, "limit": size, "lease_ms": LEASE_MS, "grace_ms": TIMEOUT_GRACE_MS, "worker": "raw"}
    while rows := run(cursor, claiming, asked):
        assert cursor.description
        names = [column.name for column in cursor.description]
        number, token = names.index("number"), names.index("lease_token")
        done = {
            "queue": jobs.QUEUE,
            "numbers": [row[number] for row in rows],
            "tokens": [row[token] for row in rows],
            "results": ["null"] * len(rows),
        }
        counting.add(len(run(cursor, completing, done)))


def fill(cursor: Cursor, counting: Window, *, size: int) -> None:
    """Add `size` jobs, a multiple of 1,000."""
    statement, batches = Statement("jobs/insert"), itertools.cycle(jobs.columns(FILLED_AT_ONCE))
    for _ in range(size // FILLED_AT_ONCE):
        counting.add(len(run(cursor, statement, next(batches))))


def main(what: str, size: int) -> None:
    """Measure once."""
    loop = {"insert": insert, "claim": claim, "fill": fill}[what]
    with connect() as connection, connection.cursor() as cursor:
        counting = window.agreed()
        loop(cursor, counting, size=size)
        counting.tell()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
