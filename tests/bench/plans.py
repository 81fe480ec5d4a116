"""`make bench-plans`: how long plans take over many jobs: to answer, to write down, to apply, to undo.

The queue is idle: nothing is active in it, so that the steps follow each other without a rest.
"""

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Callable

import click
import psycopg

from app.domain.jobfilter import JobFilter
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.removal import drain
from app.domain.states import Status
from app.infra import settings
from app.operations import plans, removal
from app.postgres import libpq, schema
from app.postgres.database import Database
from tests.bench import depths, report
from tests.bench.place import Place
from tests.support import clusters, databases
from tests.support.acting import ACTOR

QUEUE = "large"
GOALS = {
    "first answer": "500 ms",
    "written down": "60 s a million",
    "retry applied": "10,000 jobs/s",
    "drained": "",
    "undone": "",
}


@click.command()
@click.option("--jobs", type=click.IntRange(1_000), default=1_000_000, show_default=True)
def bench(*, jobs: int) -> None:
    """Make completed jobs, retry all of them by a plan, drain them, and undo that."""
    chosen = dataclasses.replace(settings.from_env(os.environ | {"DATABASE_URL": ""}), statement_ms=600_000)
    with clusters.cluster() as cluster, contextlib.ExitStack() as stack:
        schema.upgrade(cluster.url)
        connection = stack.enter_context(psycopg.connect(libpq.normal(cluster.url), autocommit=True))
        place = Place(
            connection=connection,
            chosen=chosen,
            url=cluster.url,
            token=secrets.token_urlsafe(24),
            folder=stack.enter_context(clusters.folder()),
            seconds=1,
            backlog=1,
        )
        depths.finished(place, jobs, queue=QUEUE)
        db = Database(chosen, url=databases.as_owner(cluster.url), size=2, name="rowline-plans", limit_ms=600_000)
        took = _measured(db)
        rows = [[what, f"{s:.2f}", f"{jobs / s:,.0f}", GOALS[what]] for what, s in took.items()]
        print(report.table([["plan of " + f"{jobs:,}", "s", "jobs/s", "goal"], *rows]))
        db.close()


def _measured(db: Database) -> dict[str, float]:
    took: dict[str, float] = {}

    def timed(what: str, act: Callable[[], Plan]) -> Plan:
        began_at = time.perf_counter()
        done = act()
        took[what] = time.perf_counter() - began_at
        return done

    wanted = JobFilter(statuses=(Status.COMPLETED,))
    plan = timed(
        "first answer", lambda: plans.create(db, actor=ACTOR, queue=QUEUE, action=PlanAction.RETRY, wanted=wanted)
    )
    plan = timed("written down", lambda: _ended(db, plan))
    applying = plans.apply(db, actor=ACTOR, queue=QUEUE, plan_id=plan.id, matched=plan.matched)
    done = timed("retry applied", lambda: _ended(db, applying))
    assert done.done == plan.matched, done
    asked = drain()
    drained = timed("drained", lambda: removal.remove(db, actor=ACTOR, queue=QUEUE, asked=asked, limit_s=600))
    assert drained.done == plan.matched, drained
    undoing = plans.undo(db, actor=ACTOR, queue=QUEUE, plan_id=drained.id)
    undone = timed("undone", lambda: _ended(db, undoing))
    assert undone.undone == drained.done, undone
    return took


def _ended(db: Database, plan: Plan) -> Plan:
    """Make steps until the plan rests."""
    rests = {PlanStatus.PLANNED, PlanStatus.APPLIED, PlanStatus.UNDONE}
    while plan.status not in rests:
        plan = plans.step(db, queue=QUEUE, plan_id=plan.id) or plan
    return plan


if __name__ == "__main__":
    bench()
