"""Raw PostgreSQL: one psycopg connection in autocommit, the statements of the service, prepared. Its own process.

python -m tests.bench.raw SIZE     inserts the batches that the load client posts, until the time is up
"""

import itertools
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg.types.string import TextLoader

from app.domain import attempts, scan
from app.infra import settings
from app.postgres import libpq
from app.store.jobs import ANY_BYTES
from app.store.statements import Statement
from tests.bench import jobs, window
from tests.bench.window import Window

LEASE_MS = 30_000
Cursor = psycopg.Cursor[tuple[Any, ...]]
HEAD = {"from_priority": scan.HEAD.priority, "from_place": scan.HEAD.place, "max_bytes": ANY_BYTES}


class Writing(NamedTuple):
    """The statements by which a job comes, is taken and ends."""

    insert: Statement
    claim: Statement
    complete: Statement


WRITING = Writing(Statement("jobs/insert"), Statement("leases/claim"), Statement("leases/complete"))


def connect(url: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect with the session settings of the service, without its limits of time; JSON stays text, as there."""
    chosen = settings.from_env(os.environ)
    arguments = libpq.arguments(chosen, name="rowline-bench", statement_ms=0)
    connection = psycopg.connect(
        libpq.normal(url or chosen.require_database_url()),
        autocommit=True,
        cursor_factory=psycopg.RawCursor,
        **arguments,
    )
    connection.adapters.register_loader("json", TextLoader)
    return connection


def run(cursor: Cursor, statement: Statement, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run a statement once."""
    given = (parameters[name] for name in statement.parameters)
    values = [list(value) if isinstance(value, tuple) else value for value in given]
    return cursor.execute(statement.prepared, values, prepare=True).fetchall()


def insert_once(cursor: Cursor, batch: Mapping[str, object], writing: Writing = WRITING) -> int:
    """Insert one batch, and return how many jobs that was."""
    return len(run(cursor, writing.insert, batch))


def insert(cursor: Cursor, counting: Window, *, size: int) -> None:
    """Insert batches, a transaction each, until the time is up."""
    for batch in itertools.cycle(jobs.columns(size)):
        counting.add(insert_once(cursor, batch))
        if counting.is_over:
            return


def turn(cursor: Cursor, *, queue: str, size: int, writing: Writing = WRITING) -> int:
    """Claim a batch and complete it in the order of numbers, a transaction each; return how many jobs that was."""
    asked = {
        "queue": queue,
        "limit": size,
        "lease_ms": LEASE_MS,
        "grace_ms": attempts.TIMEOUT_GRACE_MS,
        "worker": "raw",
    } | HEAD
    rows = run(cursor, writing.claim, asked)
    assert cursor.description
    names = [column.name for column in cursor.description]
    number, token = names.index("number"), names.index("lease_token")
    held = sorted((row[number], row[token]) for row in rows if row[number] is not None)
    done = {
        "queue": queue,
        "numbers": [number for number, _ in held],
        "tokens": [token for _, token in held],
        "results": ["null"] * len(held),
    }
    if len(held) == 1:
        done |= {"number": held[0][0], "token": held[0][1], "result": "null"}
    return len(run(cursor, writing.complete, done)) if held else 0


def main(size: int) -> None:
    """Measure once."""
    with connect() as connection, connection.cursor() as cursor:
        counting = window.agreed()
        insert(cursor, counting, size=size)
        counting.tell()


if __name__ == "__main__":
    main(int(sys.argv[1]))
