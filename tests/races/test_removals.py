"""Drain, clean and obliterate against adders, claims, settlements, verbs and the sweep: each job has one fate."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest

from app.domain import removal
from app.domain.errors import RowlineError
from app.domain.job import Change, JsonText, LeaseKey
from app.domain.plan import Plan, PlanStatus
from app.domain.removal import Removal
from app.domain.retention import Keep
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import jobs, maintenance, manage, plans, retention, settings
from app.operations import removal as operations
from app.postgres.database import Database
from app.store import counts as counting
from app.store import logs
from app.store import plans as store
from tests.races.test_manage import DONE, FAR_MS, TRY_AGAIN, add, added, check, complete, fail, outcome, stall, take
from tests.support import databases
from tests.support.acting import ACTOR
from tests.support.jobs import new
from tests.support.race import RACERS, race

JOBS = 400
DRAIN = removal.drain(delayed=True)
Verb = Callable[..., Plan]


@pytest.fixture
def crowd(patient: Settings, own_url: str) -> Iterator[Database]:
    """A database of its own with a connection for each racer. They are known as workers: a pause awaits them."""
    opened = Database(patient, url=own_url, size=RACERS, name="rowline-worker")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps, between which others get their turn."""
    monkeypatch.setattr(plans, "AT_ONCE", 20)


def removed(db: Database, asked: Removal = DRAIN) -> int:
    """Remove what is asked for; return how many that was."""
    verb: Verb = operations.obliterate if asked.verb == "obliterate" else operations.remove
    plan = verb(db, actor=ACTOR, queue="q", asked=asked, limit_s=math.inf)
    while plan.status is PlanStatus.APPLYING:  # a step failed, since another was in its way: others go on with it
        plan = plans.step(db, queue="q", plan_id=plan.id) or plan
    return plan.done


def ids(url: str, *statuses: str) -> set[str]:
    found = databases.ask(url, "select coalesce(custom_id, number::text), status from rowline.jobs where queue = 'q'")
    return {job_id for job_id, status in found if not statuses or status in statuses}


def test_a_job_is_claimed_or_it_is_drained_and_none_is_both_or_neither(crowd: Database, own_url: str) -> None:
    all_ids = {*add(crowd, JOBS)}

    def racer(nth: int) -> tuple[int, list[str]]:
        if nth % 4 == 0:
            return removed(crowd), []
        return 0, [lease.job.id for _ in range(JOBS // 30) for lease in take(crowd, 2)]

    told = race(racer)
    claimed = [job_id for _, found in told for job_id in found]
    assert len(claimed) == len({*claimed})
    assert ids(own_url) == {*claimed} == ids(own_url, "active")
    assert sum(number for number, _ in told) == len(all_ids - {*claimed})
    check(crowd, own_url)


def test_of_many_removals_each_job_is_removed_by_one(crowd: Database, own_url: str) -> None:
    add(crowd, JOBS)
    add(crowd, JOBS, delay_ms=FAR_MS, priority=2)
    assert sum(race(lambda _nth: removed(crowd))) == 2 * JOBS
    assert ids(own_url) == set()
    check(crowd, own_url)


@pytest.mark.parametrize(
    "asked", [DRAIN, removal.obliterate(), removal.obliterate(force=True)], ids=lambda one: one.verb
)
def test_what_is_added_after_the_call_stays(
    crowd: Database, own_url: str, asked: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {*add(crowd, JOBS)}
    with crowd.begin() as conn:
        begun = store.begin(conn)  # a call begins here; others add meanwhile
    monkeypatch.setattr(store, "begin", lambda _conn: begun)
    over = threading.Event()
    late: list[list[str]] = [[] for _ in range(RACERS)]

    def racer(nth: int) -> int:
        if nth == 0:
            try:
                return removed(crowd, asked)
            finally:
                over.set()
        while not over.is_set():
            late[nth] += add(crowd, 3)
        return 0

    assert sum(race(racer)) == len(before)
    assert ids(own_url) == {job_id for some in late for job_id in some}
    assert len(take(crowd, 1)) == 1
    check(crowd, own_url)


@pytest.mark.parametrize("ending", [complete, fail, stall])
def test_what_ends_beside_a_drain_ends_and_only_what_waits_is_drained(
    crowd: Database, own_url: str, ending: Callable[..., set[str]]
) -> None:
    waiting = {*add(crowd, JOBS // 2, attempts=5)}
    leases = take(crowd, JOBS // 4)
    held = {lease.job.id for lease in leases}

    def racer(nth: int) -> tuple[int, set[str]]:
        if nth % 4 == 0:
            return removed(crowd), set()
        mine = leases[nth % 4 :: 3][nth // 4 :: 4]
        return 0, {job_id for lease in mine for job_id in ending(crowd, [lease])}

    told = race(racer)
    ended = {job_id for _, some in told for job_id in some}
    assert ended <= held
    left = ids(own_url)
    assert left <= held
    assert sum(number for number, _ in told) == len(waiting - left)
    if ending is not fail:  # a job that is retried waits again, and may be drained
        assert held == left
    check(crowd, own_url)


def test_a_forced_obliterate_ends_every_attempt_and_leaves_nothing_behind(crowd: Database, own_url: str) -> None:
    add(crowd, JOBS, attempts=3)
    leases = take(crowd, JOBS // 2)
    calls: list[Callable[[Any], object]] = [
        lambda lease: complete(crowd, [lease]),
        lambda lease: fail(crowd, [lease]),
        lambda lease: logged(crowd, lease.key),
    ]

    def racer(nth: int) -> int:
        if nth == 0:
            return removed(crowd, removal.obliterate(force=True))
        for lease in Random(nth).sample(leases, len(leases))[: JOBS // 8]:
            calls[nth % 3](lease)
        assert len(take(crowd, 1)) <= 1
        return 0

    assert sum(race(racer)) == JOBS
    assert ids(own_url) == set()
    assert complete(crowd, leases[:5]) == set()
    assert not logged(crowd, leases[0].key)
    check(crowd, own_url)


def logged(db: Database, lease: LeaseKey) -> bool:
    """Append a line to the log of a job; return whether it was taken."""
    with db.begin() as conn:
        return logs.append(conn, queue="q", lease=lease, line="l")


def test_an_obliterate_without_force_removes_no_active_job(crowd: Database, own_url: str) -> None:
    add(crowd, JOBS)

    def racer(nth: int) -> list[str]:
        if nth == 0:
            return [refusal(crowd) for _ in range(5)]
        return [lease.job.id for _ in range(10) for lease in take(crowd, 1)]

    told = race(racer)
    claimed = {job_id for words in told[1:] for job_id in words}
    assert claimed <= ids(own_url, "active"), "whatever was claimed runs on"
    assert {*told[0]} == {"queue_has_active_jobs" if claimed else DONE}
    check(crowd, own_url)


def refusal(db: Database) -> str:
    """Obliterate the queue; return `done`, or the code with which that was refused."""
    try:
        removed(db, removal.obliterate())
    except RowlineError as error:
        return error.code
    return DONE


def test_an_id_that_is_drained_and_added_again_is_created_each_time_it_is_free(crowd: Database, own_url: str) -> None:
    custom_ids = [f"job {nth}" for nth in range(10)]

    def racer(nth: int) -> tuple[int, Counter[str]]:
        if nth % 4 == 0:
            return sum(removed(crowd) for _ in range(10)), Counter()
        told: Counter[str] = Counter()
        for custom_id in Random(nth).choices(custom_ids, k=40):
            told[added(crowd, custom_id)] += 1
        return 0, told

    told = race(racer)
    outcomes = sum((words for _, words in told), Counter[str]())
    assert outcomes["created"] == sum(number for number, _ in told) + len(ids(own_url))
    assert {*outcomes} <= {"created", "duplicate", TRY_AGAIN}
    check(crowd, own_url)


def some_act(db: Database, random: Random, known: Sequence[str]) -> None:
    """Do one of the things that are done to jobs, to any of them."""
    job_id = random.choice(known)
    match random.randrange(10):
        case 0:
            jobs.submit_many(db, queue="q", new=[new(custom_id=job_id, attempts=2, priority=random.randrange(2))])
        case 1:
            jobs.submit_many(db, queue="q", new=[new(delay_ms=random.choice([1, FAR_MS])) for _ in range(5)])
        case 2 | 3:
            random.choice([complete, fail, stall])(db, take(db, 3))
        case 4:
            outcome(random.choice([manage.cancel, manage.retry, manage.promote_now, manage.remove_job]), db, job_id)
        case 5:
            change = Change(priority=random.randrange(3), delay_ms=random.choice([0, FAR_MS]), data=JsonText("2"))
            outcome(manage.change, db, job_id, change=change)
        case 6:
            maintenance.promote_due(db)
            maintenance.recover_stalled(db, max_stalled_count=1)
        case 7:
            with db.begin() as conn:
                counting.fold(conn, limit=1_000)
            retention.sweep(db, is_whole=True)
        case 8:
            removed(db, removal.drain(delayed=random.random() < 0.5))
        case 9:
            status = random.choice(removal.CLEANABLE)
            removed(db, removal.clean(status=status, grace_ms=random.choice([0, 5]), limit=random.choice([0, 2])))


def test_whatever_many_do_to_a_queue_that_is_emptied_all_the_time_the_counts_are_right(
    crowd: Database, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 20)
    settings.change_queue(crowd, actor=ACTOR, queue="q", keeps={"on_complete": Keep(age_s=0), "on_fail": Keep(age_s=0)})
    known = [f"job {nth}" for nth in range(6)]

    def racer(nth: int) -> None:
        random = Random(nth)
        for _ in range(40):
            try:
                some_act(crowd, random, known)
            except Exception as error:
                if "removed while its id was added" not in str(error):
                    raise

    race(racer)
    check(crowd, own_url)
    for status in (Status.COMPLETED, Status.FAILED):
        removed(crowd, removal.clean(status=status, grace_ms=0))
    removed(crowd, removal.drain(delayed=True))
    assert ids(own_url) == ids(own_url, "active")
    removed(crowd, removal.obliterate(force=True))
    assert ids(own_url) == set()
    check(crowd, own_url)
