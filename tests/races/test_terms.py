"""Terms against all at once: adding, changing, removing, plans and undo, while keys come and go and are filled."""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from app.domain.errors import RowlineError
from app.domain.job import Change, JsonText, NewJob
from app.domain.jobfilter import JobFilter
from app.domain.plan import PlanAction, PlanStatus
from app.domain.retention import Keep
from app.infra.settings import Settings
from app.maintenance.terms import TermFiller
from app.operations import jobs, manage, plans, retention, settings
from app.operations import terms as operations
from app.postgres.database import Database, DatabaseError
from tests.support import databases, terms, work
from tests.support.acting import ACTOR
from tests.support.jobs import new
from tests.support.race import RACERS, race

ROUNDS = 15
KEYS = ("a", "b.c")


@pytest.fixture
def crowd(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer."""
    opened = Database(patient, url=own_url, size=RACERS, name="rowline-worker")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps, between which others get their turn."""
    monkeypatch.setattr(operations, "LOOKED_AT_ONCE", 7)
    monkeypatch.setattr(operations, "AT_ONCE", 3)
    monkeypatch.setattr(operations, "CLEARED_AT_ONCE", 5)


def job(draw: random.Random) -> NewJob:
    data = JsonText(json.dumps({"a": draw.randrange(3), "b": {"c": draw.choice(["x", None])}}))
    keep = Keep(count=0) if draw.random() < 0.3 else None
    return new(data=data, tags=draw.choice([None, ("t",), ("t", "u")]), remove_on_complete=keep)


def add(db: Database, draw: random.Random) -> None:
    jobs.submit_many(db, queue="q", new=[job(draw) for _ in range(draw.choice([1, 5]))])


def some_job(db: Database, draw: random.Random) -> str:
    with db.read() as conn:
        found = conn.exec_driver_sql("select number::text from rowline.jobs where queue = 'q'").scalars().all()
    return draw.choice(found) if found else "1"


def change(db: Database, draw: random.Random) -> None:
    wanted = draw.choice([Change(tags=("u", "v")), Change(tags=()), Change(data=JsonText('{"a": 9, "b": {"c": "y"}}'))])
    manage.change(db, actor=ACTOR, queue="q", job_id=some_job(db, draw), change=wanted)


def remove(db: Database, draw: random.Random) -> None:
    manage.remove_job(db, actor=ACTOR, queue="q", job_id=some_job(db, draw))


def complete(db: Database, _draw: random.Random) -> None:
    work.complete_next(db)


def sweep(db: Database, _draw: random.Random) -> None:
    work.fold(db)
    retention.sweep_at_once(db)


def plan(db: Database, draw: random.Random) -> None:
    """Remove some by a plan, and have half of such removals undone."""
    made = plans.create(
        db, actor=ACTOR, queue="q", action=PlanAction.REMOVE, wanted=JobFilter(tags=(draw.choice("tu"),))
    )
    if made.status is not PlanStatus.PLANNED:
        return
    ended = {PlanStatus.APPLIED, PlanStatus.UNDONE}
    found = plans.apply(db, actor=ACTOR, queue="q", plan_id=made.id, matched=made.matched)
    while found.status not in ended:
        found = plans.step(db, queue="q", plan_id=made.id) or found
    if draw.random() < 0.5:
        found = plans.undo(db, actor=ACTOR, queue="q", plan_id=made.id)
        while found.status not in ended:
            found = plans.step(db, queue="q", plan_id=made.id) or found


def set_keys(db: Database, draw: random.Random) -> None:
    settings.change_queue(db, actor=ACTOR, queue="q", keys=draw.sample(KEYS, draw.randrange(3)))


def repeated(act: Callable[[Database, random.Random], None], db: Database, seed: int) -> Callable[[], None]:
    def run() -> None:
        draw = random.Random(seed)
        for _ in range(ROUNDS):
            try:
                act(db, draw)
            except (RowlineError, DatabaseError, ValueError):
                continue  # another racer was first

    return run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_races_each_job_has_its_terms_in_the_end_and_no_other_job_has(
    crowd: Database, own_url: str, seed: int
) -> None:
    settings.change_queue(crowd, actor=ACTOR, queue="q", keeps={"on_complete": Keep(count=0)})
    fillers = [TermFiller(crowd) for _ in range(2)]
    acts = [add, add, change, remove, complete, complete, sweep, plan, set_keys]
    racers = [repeated(acts[nth % len(acts)], crowd, seed * 100 + nth) for nth in range(RACERS - 2)]
    racers += [repeated(lambda _db, _draw, filler=filler: filler.tick(), crowd, seed) for filler in fillers]  # type: ignore[misc]
    race(lambda nth: racers[nth]())
    databases.run(
        own_url,
        "update rowline.term_fills set waiting_since = now() - interval '2 hours' where queue = ''",
    )
    operations.begin(crowd)
    terms.run(crowd)
    terms.check(crowd)
