"""Schedules, as people make them, and their ticks, as whoever makes the rounds has them."""

import json
from random import Random
from typing import Any

from app.domain.job import JsonText
from app.domain.schedule import Misfire, Overlap
from app.domain.scheduled import WANTED, Asked, Wanted
from app.maintenance.schedules import Ticker
from app.operations import schedules
from app.operations.schedules import Put
from app.postgres.database import Database
from tests.support import answers, databases
from tests.support.acting import ACTOR
from tests.support.client import Client

PATH = "/queues/q/schedulers/s"
HOUR_MS = 3_600_000
TEMPLATE: dict[str, Any] = {"name": "n", "data": {"a": 1}}


def body(**members: Any) -> str:
    """A schedule of each hour, unless the members say otherwise."""
    timing = {} if members.keys() & {"every", "pattern"} else {"every": HOUR_MS}
    return json.dumps(timing | {"template": TEMPLATE} | members)


def put(client: Client, path: str = PATH, **members: Any) -> dict[str, Any]:
    """Make or change a schedule."""
    answer = client.put(path, body(**members))
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json or {})


def get(client: Client, path: str = PATH) -> dict[str, Any]:
    """Get a schedule that is there."""
    return dict(answers.ok(client.get(path)))


def tick(db: Database) -> None:
    """Make all ticks that are due."""
    ticker = Ticker(db)
    while ticker.tick():
        pass


def fall_due(db: Database, *, ago_ms: int = 0, schedule_id: str = "s") -> int:
    """Have the next tick of a schedule have been so long ago; return when, in ms, never at the last one."""
    with db.begin() as conn:
        found = conn.exec_driver_sql(
            "update rowline.schedules set next_at = now.at - (now.at is not distinct from last_tick_at)::int from "
            "(select floor(extract(epoch from statement_timestamp()) * 1000)::bigint - %(ago)s as at) as now "
            "where id = %(id)s returning next_at",
            {"ago": ago_ms, "id": schedule_id},
        )
        return int(found.scalar_one())


def jobs(client: Client, queue: str = "q") -> list[dict[str, Any]]:
    """Return all jobs of a queue, the oldest first."""
    return list(client.page(queue, order="asc", length=100)["jobs"])


def job_ids(client: Client, queue: str = "q") -> list[str]:
    """Return the ids of all jobs of a queue, the oldest first."""
    return [job["id"] for job in jobs(client, queue)]


def wanted(**members: Any) -> Wanted:
    """A schedule that makes every tick, each 10 ms, unless the members say otherwise."""
    values: dict[str, Any] = dict.fromkeys(WANTED) | {
        "every_ms": 10,
        "misfire": Misfire.ALL,
        "overlap": Overlap.ALLOW,
        "jitter_ms": 0,
    }
    values |= {"name": "n", "data": JsonText("1"), "opts": JsonText("{}"), "options": "{}"} | members
    return Wanted(**values)


def made(db: Database, schedule_id: str = "s", **members: Any) -> Put:
    """Make or change a schedule, without HTTP."""
    is_paused = members.pop("is_paused", None)
    asked = Asked(wanted(**members), is_paused, immediately=False)
    return schedules.put(db, actor=ACTOR, queue="q", schedule_id=schedule_id, asked=asked, random=Random(1))


def wrong(url: str) -> list[tuple[Any, ...]]:
    """Return the schedules that make every tick, each with a gap, or a tick that it does not know of, or forgot."""
    return databases.ask(url, WRONG)


MADE = """
    cross join lateral (
        select count(*) as number, min(at) as first_at, max(at) as last_at, count(distinct mod(at, every_ms)) as rhythms
        from rowline.jobs as job
        cross join lateral (
            select substr(job.custom_id, length('repeat:' || schedule.id || ':') + 1)::bigint as at
        ) as tick
        where job.queue = schedule.queue and job.custom_id ~ ('^repeat:' || schedule.id || ':[0-9]+$')
    ) as made
"""
"""The ticks of a `schedule` that have jobs: how many, the first and the last, and how many rhythms they are in."""
WRONG = f"""
    select schedule.id, made.number, schedule.ticks, made.first_at, made.last_at, schedule.next_at
    from rowline.schedules as schedule
    {MADE}
    where made.number <> schedule.ticks or made.rhythms > 1 or made.last_at is distinct from schedule.last_tick_at
        or made.last_at + schedule.every_ms <> schedule.next_at
        or made.last_at - made.first_at <> (made.number - 1) * schedule.every_ms or schedule.skipped <> 0
"""
