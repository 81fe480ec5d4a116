"""Terms as tests expect them: what a job's tags and data say; and what fills them."""

import json
from collections.abc import Sequence
from typing import Any

from app.domain.terms import TAGS, FillStatus, of_tag, of_value
from app.maintenance.terms import TermFiller
from app.operations import terms
from app.postgres.database import Connection, Database

Term = tuple[str, str, int]
"""Its queue, the term, and the number of the job."""


def at_path(data: Any, path: str) -> list[Any]:
    """Return the value at a path, in a list; an empty one if there is none."""
    for key in path.split("."):
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.lstrip("-").isdigit() and -len(data) <= int(key) < len(data):
            data = data[int(key)]
        else:
            return []
    return [data]


def expected(conn: Connection) -> list[Term]:
    """Return the terms that the jobs should have by their tags and data, and by the settings of their queues."""
    keys: dict[str, Sequence[str]] = {
        queue: paths or [] for queue, paths in conn.exec_driver_sql("select queue, keys from rowline.queue_settings")
    }
    found = set()
    for job in conn.exec_driver_sql("select queue, number, tags, data::text as data from rowline.jobs"):
        found |= {(job.queue, of_tag(tag), job.number) for tag in job.tags or []}
        for path in keys.get(job.queue, []):
            values = [
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for value in at_path(json.loads(job.data), path)
            ]
            found |= {(job.queue, of_value(path, value), job.number) for value in values}
    return sorted(found)


def stored(conn: Connection) -> list[Term]:
    """Return the terms that there are."""
    return sorted(tuple(row) for row in conn.exec_driver_sql("select queue, term, number from rowline.terms"))


def check(db: Database) -> list[Term]:
    """Check that each job has its terms, and that there are no others; return them."""
    with db.read() as conn:
        found = stored(conn)
        wanted = expected(conn)
        missing, more = {*wanted} - {*found}, {*found} - {*wanted}
        assert found == wanted, f"missing {sorted(missing)}, too many {sorted(more)}"
    return found


def trust(conn: Connection, *, queue: str = "q", keys: Sequence[str] = ()) -> None:
    """Have searches go by terms: those of tags, and of keys of a queue, which it sets."""
    if keys:
        conn.exec_driver_sql(
            "insert into rowline.queue_settings (queue, keys) values (%(queue)s, %(keys)s::text[]) "
            "on conflict (queue) do update set keys = excluded.keys",
            {"queue": queue, "keys": list(keys)},
        )
    for of, path in [("", TAGS), *((queue, key) for key in keys)]:
        conn.exec_driver_sql(
            "insert into rowline.term_fills (queue, path, status) values (%(queue)s, %(path)s, %(status)s) "
            "on conflict do nothing",
            {"queue": of, "path": path, "status": FillStatus.FILLED.value},
        )


def run(db: Database) -> None:
    """Do what the process does that makes the rounds for all, until nothing is left that can be filled or cleared."""
    filler = TermFiller(db)
    for _ in range(1_000):
        filler.tick()
        if not terms.unfinished(db):
            return
    raise AssertionError("not filled after 1,000 steps")
