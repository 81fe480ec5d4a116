"""Terms come and go with their jobs, by every way; and those of jobs that were there before are filled."""

import json
from collections.abc import Callable
from random import Random

import pytest

from app.domain import removal
from app.domain.job import Change, Completion, Failure, JsonText, NewJob
from app.domain.jobfilter import JobFilter
from app.domain.plan import Plan, PlanAction, PlanStatus
from app.domain.removal import Removal
from app.domain.retention import Keep
from app.domain.states import Status
from app.operations import jobs, maintenance, manage, plans, retention, settings, settle
from app.operations import removal as removals
from app.operations.jobs import Submissions
from app.postgres.database import Database
from app.store import search
from app.store.statements import Statement
from app.store.terms import Chosen
from tests.plans.test_plans import SQL
from tests.support import databases, terms, work
from tests.support.acting import ACTOR
from tests.support.jobs import new

GONE = Keep(count=0)
DATA = JsonText(json.dumps({"customer": {"id": 42, "name": "Zoë"}}, ensure_ascii=False))


@pytest.fixture(autouse=True, params=[False, True], ids=["tags", "tags and keys"])
def keyed(db: Database, request: pytest.FixtureRequest) -> bool:
    """Of the queue q, with and without keys, with tags."""
    if request.param:
        settings.change_queue(db, actor=ACTOR, queue="q", keys=["customer.id", "customer"])
    return bool(request.param)


def tagged(**fields: object) -> NewJob:
    return new(**({"tags": ("vip", "eu", "vip"), "data": DATA} | fields))  # type: ignore[arg-type]


def add(db: Database, number: int = 1, **fields: object) -> list[str]:
    asked = [tagged(**fields), *[tagged(**(fields | {"tags": ("eu",)})) for _ in range(number - 1)]]
    found = [one.job.id for one in jobs.submit_many(db, queue="q", new=asked)]
    assert len(terms.check(db)) >= number
    return found


def by_hand(db: Database) -> None:
    [job_id] = add(db)
    manage.remove_job(db, actor=ACTOR, queue="q", job_id=job_id)


def removed(db: Database, asked: Removal, verb: Callable[..., Plan] = removals.remove) -> None:
    assert verb(db, actor=ACTOR, queue="q", asked=asked).status is PlanStatus.APPLIED


def drained(db: Database) -> None:
    add(db, 3)
    removed(db, removal.drain(delayed=False))


def cleaned(db: Database) -> None:
    add(db, 3)
    removed(db, removal.clean(status=Status.WAITING, grace_ms=0, limit=0))


def obliterated(db: Database) -> None:
    add(db, 3)
    work.take(db)
    removed(db, removal.obliterate(force=True), removals.obliterate)


def applied(db: Database, action: PlanAction, wanted: JobFilter, change: Change | None = None) -> Plan:
    plan: Plan | None = plans.create(db, actor=ACTOR, queue="q", action=action, wanted=wanted, change=change)
    assert plan
    assert plan.status is PlanStatus.PLANNED
    plan = plans.apply(db, actor=ACTOR, queue="q", plan_id=plan.id, matched=plan.matched)
    while plan and plan.status is not PlanStatus.APPLIED:
        plan = plans.step(db, queue="q", plan_id=plan.id)
    assert plan
    return plan


def planned(db: Database) -> None:
    add(db, 3)
    assert applied(db, PlanAction.REMOVE, JobFilter(tags=("eu",))).done == 3


def completed_and_removed(db: Database) -> None:
    add(db, remove_on_complete=GONE)
    complete(db)


def failed_and_removed(db: Database) -> None:
    add(db, remove_on_fail=GONE)
    [lease] = work.take(db)
    settle.fail(db, queue="q", failures=[Failure(lease=lease.key, reason="r")], random=Random(1))


def cancelled_and_removed(db: Database) -> None:
    [job_id] = add(db, remove_on_fail=GONE)
    manage.cancel(db, actor=ACTOR, queue="q", job_id=job_id)


def started_too_late(db: Database) -> None:
    add(db, remove_on_fail=GONE, start_by=1)
    maintenance.fail_unstarted(db)


def swept(db: Database) -> None:
    add(db)
    complete(db)
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": Keep(age_s=60)})
    sweep_later(db)


def swept_at_once(db: Database) -> None:
    add(db)
    complete(db)
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": GONE})
    work.fold(db)
    retention.sweep_at_once(db)


def swept_by_its_own_age(db: Database) -> None:
    add(db, remove_on_complete=Keep(age_s=1))
    complete(db)
    sweep_later(db)


def sweep_later(db: Database) -> None:
    with db.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set finished_at = added_at - interval '1 day' where status = 'completed'"
        )
    work.fold(db)
    retention.sweep(db, is_whole=True)


def complete(db: Database) -> None:
    [lease] = work.take(db)
    work.complete_all(db, completions=[Completion(lease=lease.key, result=JsonText("1"))])


WAYS = (
    *(by_hand, drained, cleaned, obliterated, planned, completed_and_removed, failed_and_removed),
    *(cancelled_and_removed, started_too_late, swept, swept_at_once, swept_by_its_own_age),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_with_a_job_go_its_terms_by_whatever_way(db: Database, way: Callable[[Database], None]) -> None:
    jobs.submit_many(db, queue="other", new=[tagged()])
    others = terms.check(db)
    way(db)
    with db.read() as conn:
        assert conn.exec_driver_sql("select count(*) from rowline.jobs where queue = 'q'").scalar_one() == 0
        assert terms.stored(conn) == others


def test_every_statement_that_removes_or_adds_jobs_does_so_with_their_terms() -> None:
    """`jobs/insert` and `jobs/insert_one` are for jobs without tags; what they become for others has no file.

    `leases/complete_and_remove_one` finds no job that can have terms.
    """
    for file in SQL.glob("*/*.sql"):
        text = Statement(f"{file.parent.name}/{file.stem}").text if file.parent.name != "_fragments" else ""
        if "delete from rowline.jobs" in text and file.stem != "complete_and_remove_one":
            assert "delete from rowline.terms" in text, file
        if "insert into rowline.jobs" in text and file.stem not in {"insert", "insert_one"}:
            assert "insert into rowline.terms" in text, file
        if "update rowline.jobs" in text and ("tags =" in text or "data =" in text):
            assert file.stem in {"change", "change_data"}, file


def test_terms_come_with_jobs_however_these_are_added(db: Database, shared_url: str) -> None:
    add(db)
    add(db, 100)
    Submissions(db).submit_many(queue="q", new=[tagged()])
    jobs.submit_many(db, queue="q", new=[tagged(custom_id="a"), tagged(), new()])
    jobs.submit_many(db, queue="q", new=[tagged(custom_id="a"), tagged(custom_id="b")])
    opts = json.dumps({"tags": ["in sql", "in sql"]})
    for call in (
        f"rowline.enqueue('q', 'n', '{DATA}', '{opts}')",
        f"rowline.enqueue('q', 'n', '{DATA}', '{{\"jobId\": \"a\", \"tags\": [\"not\"]}}')",
        "rowline.enqueue('q', 'n', '1')",
    ):
        databases.run(shared_url, f"select * from {call}")
    assert len({number for *_, number in terms.check(db)}) >= 106


def test_tags_that_are_defaults_of_the_queue_are_terms(db: Database, shared_url: str) -> None:
    settings.change_queue(db, actor=ACTOR, queue="q", wanted={"tags": ["usual"]})
    for _ in range(2):
        jobs.submit_many(db, queue="q", new=[new(), tagged()])
    databases.run(shared_url, "select * from rowline.enqueue('q', 'n', '1')")
    assert sum(term == "tag:usual" for _, term, _ in terms.check(db)) == 5


def test_a_change_by_hand_moves_the_terms(db: Database) -> None:
    [job_id, other] = add(db, 2)
    for change in (
        Change(tags=("new", "eu")),
        Change(data=JsonText('{"customer": {"id": "x"}}')),
        Change(name="renamed"),
        Change(tags=()),
    ):
        manage.change(db, actor=ACTOR, queue="q", job_id=job_id, change=change)
        terms.check(db)
    applied(db, PlanAction.CHANGE, JobFilter(ids=(other,)), Change(tags=("planned",)))
    assert "tag:planned" in {term for _, term, _ in terms.check(db)}


def test_a_worker_that_changes_the_data_moves_the_terms(db: Database) -> None:
    [job_id] = add(db)
    [lease] = work.take(db)
    change = Change(data=JsonText('{"customer": null}'))
    manage.change(db, actor=ACTOR, queue="q", job_id=job_id, change=change, token=lease.token)
    terms.check(db)


def test_an_undo_brings_the_terms_back(db: Database) -> None:
    add(db, 3)
    before = terms.check(db)
    plan: Plan | None = applied(db, PlanAction.REMOVE, JobFilter(tags=("eu",)))
    assert terms.check(db) == []
    assert plan
    plan = plans.undo(db, actor=ACTOR, queue="q", plan_id=plan.id)
    while plan and plan.status is not PlanStatus.UNDONE:
        plan = plans.step(db, queue="q", plan_id=plan.id)
    assert terms.check(db) == before


def test_a_plan_goes_by_terms(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.begin() as conn:
        terms.trust(conn)
    add(db, 30)
    monkeypatch.setattr(search, "search_along", _no_other_than_by_terms(search.search_along))
    assert applied(db, PlanAction.REMOVE, JobFilter(tags=("vip",), name="n")).done == 1


def _no_other_than_by_terms(along: Callable[..., object]) -> Callable[..., object]:
    def checked(conn: object, chosen: Chosen | None, **asked: object) -> object:
        assert chosen is not None
        return along(conn, chosen, **asked)

    return checked
