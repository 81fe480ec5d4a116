"""A program that adds jobs in SQL, and what it stored."""

import json
from typing import Any

import psycopg
import pytest

from app.store.tables import jobs as jobs_table

APART = {"queue", "number", "place", "run_at", "added_at"}
SAME = ", ".join(f"{column.name}::text" for column in jobs_table.c if column.name not in APART)
ROWS = f"""
select
    {SAME}, abs(place) - (extract(epoch from run_at) * 1000000)::bigint, place < 0, run_at - added_at
from rowline.jobs
where queue = %s
order by number
"""


class Sql:
    """A program with a connection of its own, in autocommit."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, queue: str) -> list[Any]:
        return self.connection.execute(ROWS, (queue,)).fetchall()

    def add(self, queue: str, jobs: str) -> list[Any]:
        return self.connection.execute("select * from rowline.enqueue_many(%s, %s::json)", (queue, jobs)).fetchall()

    def refusal(self, query: str, *values: object) -> list[str]:
        """Every fault, as the API tells it, of a statement that must be refused."""
        with pytest.raises(psycopg.Error) as caught:
            self.connection.execute(query, values)
        faults = json.loads(caught.value.diag.message_detail or "")
        assert caught.value.diag.message_primary == f"{faults[0]['path']} {faults[0]['message']}"
        return [f"{fault['path']} {fault['message']}" for fault in faults]
