"""`make bench-plans`: how long plans take over many jobs: to answer, to write down, to apply, to undo.

The queue is idle: nothing is active in it, so that the steps follow each other without a rest. Then a worker works a
backlog in it, by turns with and without a plan over its completed jobs.
"""

import contextlib
import dataclasses
import os
import secrets
import statistics
import time
from collections.abc import Callable

import click
import psycopg

from app.domain.jobfilter import JobFilter
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.removal import drain
from app.domain.states import Status
from app.infra import settings
from app.operations import plans, queues, removal
from app.postgres import libpq, schema
from app.postgres.database import Database
from app.store import counts
from app.store import plans as stored
from tests.bench import depths, programs, report, working
from tests.bench.place import Place
from tests.bench.programs import BenchError
from tests.support import clusters, databases
from tests.support.acting import ACTOR

QUEUE = "large"
GOALS = {
    "first answer": "500 ms",
    "written down": "60 s a million",
    "retry applied": "10,000 jobs/s",
    "retry undone": "",
    "drained": "",
    "undone": "",
}
PACE_GOAL = "0.8"
BACKLOG_S = 40_000  # jobs for a second of work: more than a worker does
MEANT_S = 60_000  # the same of a plan
SETTLE_S = 1.0
_WORKED = """
    select (select coalesce(sum(completed), 0) from rowline.job_minutes where queue = %(queue)s)
        + (select coalesce(sum(completed), 0) from rowline.job_deltas where queue = %(queue)s and verb = 'complete')
"""
"""How many jobs were completed: what is folded, and what is not yet."""


@click.command()
@click.option("--jobs", type=click.IntRange(1_000), default=1_000_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="With and without a plan.")
@click.option("--seconds", type=click.IntRange(1), default=8, show_default=True, help="A round beside a worker.")
def bench(*, jobs: int, rounds: int, seconds: int) -> None:
    """Make completed jobs, retry all by a plan, undo it, retry and drain them, undo that; then work beside plans."""
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
        print(f"\n{_beside_a_worker(place, db, rounds=rounds, seconds=seconds)}")
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
    taking_back = plans.undo(db, actor=ACTOR, queue=QUEUE, plan_id=plan.id)
    taken_back = timed("retry undone", lambda: _ended(db, taking_back))
    assert taken_back.undone == plan.matched, taken_back
    again = _ended(db, plans.create(db, actor=ACTOR, queue=QUEUE, action=PlanAction.RETRY, wanted=wanted))
    _ended(db, plans.apply(db, actor=ACTOR, queue=QUEUE, plan_id=again.id, matched=again.matched))
    asked = drain()
    drained = timed("drained", lambda: removal.remove(db, actor=ACTOR, queue=QUEUE, asked=asked, limit_s=600))
    assert drained.done == plan.matched, drained
    undoing = plans.undo(db, actor=ACTOR, queue=QUEUE, plan_id=drained.id)
    undone = timed("undone", lambda: _ended(db, undoing))
    assert undone.undone == drained.done, undone
    return took


def _beside_a_worker(place: Place, db: Database, *, rounds: int, seconds: int) -> str:
    """Say which part of its pace a worker keeps while a plan retries or removes completed jobs of its queue."""
    kept: dict[str, list[float]] = {"retry": [], "remove": []}
    paces: dict[str, list[float]] = {"retry": [], "remove": []}
    with place.api(), programs.serving(working.worker_words(queue=QUEUE), place.env(), place.folder / "worker.log"):
        for nth in range(rounds):
            for action in (PlanAction.RETRY, PlanAction.REMOVE)[:: 1 if nth % 2 else -1]:
                wanted = JobFilter(statuses=(Status.COMPLETED,))
                queues.pause(db, actor=ACTOR, queue=QUEUE, reason=None)
                depths.finished(place, (seconds + 2) * MEANT_S, queue=QUEUE)
                depths.waiting(place, 2 * (seconds + 2) * BACKLOG_S, queue=QUEUE)
                plan = _ended(db, plans.create(db, actor=ACTOR, queue=QUEUE, action=action, wanted=wanted))
                queues.resume(db, actor=ACTOR, queue=QUEUE)
                alone, _ = _pace(place, db, plan, seconds)
                plans.apply(db, actor=ACTOR, queue=QUEUE, plan_id=plan.id, matched=plan.matched)
                beside, done = _pace(place, db, plan, seconds)
                plans.stop(db, actor=ACTOR, queue=QUEUE, plan_id=plan.id)
                with db.read() as conn:
                    if not counts.count(conn, queue=QUEUE)[Status.WAITING]:
                        raise BenchError("the backlog is over: the worker had nothing to do")
                kept[action.value].append(beside / alone)
                paces[action.value].append(done)
    rows = [
        [action, f"{statistics.median(kept[action]):.2f}", f"{statistics.median(paces[action]):,.0f}", PACE_GOAL]
        for action in kept
    ]
    return report.table([["a worker beside", "keeps of its pace", "plan's jobs/s", "goal"], *rows])


def _pace(place: Place, db: Database, plan: Plan, seconds: int) -> tuple[float, float]:
    """Measure for so many seconds; return the jobs a second of the worker, and of the plan."""
    time.sleep(SETTLE_S)

    def seen() -> tuple[float, int, int]:
        with db.read() as conn:
            found = stored.find(conn, queue=QUEUE, plan_id=plan.id)
        row = place.connection.execute(_WORKED, {"queue": QUEUE}).fetchone()
        assert found
        assert row
        return time.monotonic(), int(row[0]), found.done

    before = seen()
    time.sleep(seconds)
    after = seen()
    took_s = after[0] - before[0]
    return (after[1] - before[1]) / took_s, (after[2] - before[2]) / took_s


def _ended(db: Database, plan: Plan) -> Plan:
    """Make steps until the plan rests."""
    rests = {PlanStatus.PLANNED, PlanStatus.APPLIED, PlanStatus.UNDONE}
    while plan.status not in rests:
        plan = plans.step(db, queue=QUEUE, plan_id=plan.id) or plan
    return plan


if __name__ == "__main__":
    bench()
