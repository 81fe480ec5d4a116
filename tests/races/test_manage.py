"""The verbs of one job against each other, claims, settlements, stalls and promotions: one wins, the other is told."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from app.domain.errors import RowlineError
from app.domain.job import Change, Completion, Failure, JsonText, Lease
from app.domain.states import Status
from app.operations import claim, jobs, maintenance, manage, settle
from app.postgres.database import Database, DatabaseError
from app.queries import jobs as queries
from app.store import counts
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import counted, new
from tests.support.race import RACERS, race

JOBS = 40
DONE, TRY_AGAIN = "done", "try again"
FAR_MS = 3_600_000
Verb = Callable[..., object]
REFUSED = {"job_active", "job_finished", "job_not_finished", "job_not_delayed", "job_not_found", "lease_lost"}


def outcome(verb: Verb, db: Database, job_id: str, **more: Any) -> str:
    """Do something to a job; return `done`, or the code with which it was refused."""
    try:
        verb(db, actor=ACTOR, queue="q", job_id=job_id, **more)
    except RowlineError as error:
        return error.code
    return DONE


def add(db: Database, count: int = JOBS, **fields: Any) -> list[str]:
    return [one.job.id for one in jobs.submit_many(db, queue="q", new=[new(**fields) for _ in range(count)])]


def added(db: Database, custom_id: str, **fields: Any) -> str:
    """Add a job; return its outcome. `TRY_AGAIN`: it was removed each time between the insert and the read."""
    try:
        return jobs.submit_many(db, queue="q", new=[new(custom_id=custom_id, **fields)])[0].outcome
    except DatabaseError as error:
        assert "removed while its id was added" in str(error)  # noqa: PT017 - any other is a fault
        return TRY_AGAIN


def take(db: Database, count: int = JOBS, lease_ms: int = 60_000) -> list[Lease]:
    return claim.claim(db, queue="q", limit=count, lease_ms=lease_ms, worker="w").leases


def fail(db: Database, leases: Sequence[Lease]) -> set[str]:
    failures = [Failure(lease=lease.key, reason="r") for lease in leases]
    done = settle.fail(db, queue="q", failures=failures, random=Random(1))
    return {lease.job.id for lease in leases if lease.job.number in done}


def complete(db: Database, leases: Sequence[Lease]) -> set[str]:
    completions = [Completion(lease=lease.key, result=JsonText("1")) for lease in leases]
    done = work.complete_all(db, completions=completions)
    return {lease.job.id for lease in leases if lease.job.number in done}


def stall(db: Database, leases: Sequence[Lease]) -> set[str]:
    """Have leases that have run out noticed: their jobs fail."""
    held = [lease.key for lease in leases]
    expired = settle.recover_dead(db, queue="q", held=held, max_stalled_count=0)
    return {lease.job.id for lease in leases if lease.job.number in expired}


def mixed(ids: Sequence[Any], nth: int) -> list[Any]:
    return Random(nth).sample(ids, len(ids))


def found(db: Database, job_id: str) -> Any:
    return queries.Lookup(db).find(queue="q", job_id=job_id)


def check(db: Database, url: str) -> None:
    """See that the counts are right, and that nothing is left of jobs that are gone, and cannot come back."""
    with db.read() as conn:
        assert counts.count(conn, queue="q") == counted(conn, "q")
    for table in ("attempts", "logs"):
        known = "select number from rowline.jobs union all select number from rowline.plan_removed"
        orphans = f"select number from rowline.{table} where number not in ({known})"
        assert databases.ask(url, orphans) == []


@pytest.mark.parametrize(
    ("verb", "fields", "code"),
    [
        (manage.remove_job, {}, "job_not_found"),
        (manage.retry, {}, "job_not_finished"),
        (manage.promote_now, {"delay_ms": FAR_MS}, "job_not_delayed"),
        (manage.cancel, {}, "job_finished"),
    ],
)
def test_of_many_who_do_the_same_to_a_job_one_wins(
    crowd: Database, own_url: str, verb: Verb, fields: dict[str, Any], code: str
) -> None:
    [job_id] = add(crowd, 1, **fields)
    if verb is manage.retry:
        fail(crowd, take(crowd))

    told = race(lambda _nth: outcome(verb, crowd, job_id))

    assert Counter(told) == {DONE: 1, code: RACERS - 1}
    check(crowd, own_url)


def test_of_many_who_change_a_job_each_is_done_and_none_is_half_done(crowd: Database, own_url: str) -> None:
    [job_id] = add(crowd, 1)

    def racer(nth: int) -> str:
        change = Change(name=f"n{nth}", data=JsonText(f"{nth}"), priority=nth, delay_ms=nth % 2 * FAR_MS)
        return outcome(manage.change, crowd, job_id, change=change)

    assert race(racer) == [DONE] * RACERS
    job = found(crowd, job_id)
    last = int(job.data)
    assert (job.name, job.priority, job.delay_ms) == (f"n{last}", last, last % 2 * FAR_MS)
    check(crowd, own_url)


@pytest.mark.parametrize(
    ("verb", "more", "fields"),
    [
        (manage.remove_job, {}, {}),
        (manage.change, {"change": Change(delay_ms=FAR_MS)}, {}),
        (manage.change, {"change": Change(name="other")}, {"priority": 3}),
    ],
)
def test_a_job_is_claimed_or_it_is_removed_or_changed_before(
    crowd: Database, own_url: str, verb: Verb, more: dict[str, Any], fields: dict[str, Any]
) -> None:
    ids = add(crowd, **fields)

    def racer(nth: int) -> list[tuple[str, str]]:
        if nth % 2:
            leases = [lease for _ in range(JOBS // 4) for lease in take(crowd, 1)]
            return [(lease.job.id, f"claimed as {lease.job.name}") for lease in leases]
        return [(job_id, outcome(verb, crowd, job_id, **more)) for job_id in mixed(ids, nth)]

    told = [word for words in race(racer) for word in words]
    claims = Counter(job_id for job_id, said in told if said.startswith("claimed"))
    done = {job_id for job_id, said in told if said == DONE}
    assert set(claims.values()) <= {1}
    assert {said for _, said in told if not said.startswith("claimed")} <= {DONE, *REFUSED}
    if more.get("change") == Change(name="other"):
        names = {job_id: said.removeprefix("claimed as ") for job_id, said in told if said.startswith("claimed")}
        assert {job_id for job_id, name in names.items() if name == "other"} == done & set(names)
        assert all(found(crowd, job_id).name == "other" for job_id in done)
    else:
        assert not done & set(claims), "one of them wins"
        left = {job_id for job_id in ids if job_id not in done and job_id not in claims}
        assert all(found(crowd, job_id).status is Status.WAITING for job_id in left)
    check(crowd, own_url)


@pytest.mark.parametrize("ending", [complete, fail, stall])
@pytest.mark.parametrize("verb", [manage.remove_job, manage.retry, manage.change])
def test_what_ends_an_attempt_is_taken_and_the_verb_is_told_what_it_met(
    crowd: Database, own_url: str, verb: Verb, ending: Callable[[Database, Sequence[Lease]], set[str]]
) -> None:
    ids = add(crowd)
    leases = take(crowd)
    more = {"change": Change(name="other")} if verb is manage.change else {}

    def racer(nth: int) -> list[tuple[str, str]]:
        if nth % 2:
            return [(lease.job.id, "ended") for lease in mixed(leases, nth) for _ in ending(crowd, [lease])]
        return [(job_id, outcome(verb, crowd, job_id, **more)) for job_id in mixed(ids, nth)]

    told = [word for words in race(racer) for word in words]
    maintenance.recover_stalled(crowd, max_stalled_count=0)  # those that a verb had locked
    ended = {job_id for job_id, said in told if said == "ended"}
    done = Counter(job_id for job_id, said in told if said == DONE)
    assert ended == set(ids), "a verb keeps nobody from ending an attempt that has begun"
    assert set(done.values()) <= {1}
    codes = {said for _, said in told} - {"ended", DONE}
    if verb is manage.change:
        assert not done
        assert codes <= {"job_active", "job_finished"}
    for job_id in ids:
        if verb is manage.remove_job and job_id in done:
            with pytest.raises(RowlineError):
                found(crowd, job_id)
            continue
        job = found(crowd, job_id)
        assert (job.status is Status.WAITING) == (verb is manage.retry and job_id in done)
    check(crowd, own_url)


@pytest.mark.parametrize("ending", [complete, fail, stall])
def test_data_are_changed_by_the_attempt_or_not_at_all(
    crowd: Database, own_url: str, ending: Callable[[Database, Sequence[Lease]], set[str]]
) -> None:
    add(crowd)
    leases = take(crowd)

    def racer(nth: int) -> list[tuple[str, str]]:
        if nth % 4 == 0:
            return [(lease.job.id, "ended") for lease in mixed(leases, nth) for _ in ending(crowd, [lease])]
        change = Change(data=JsonText(f'"{nth}"'))
        return [
            (lease.job.id, outcome(manage.change, crowd, lease.job.id, change=change, token=lease.token))
            for lease in mixed(leases, nth)
        ]

    told = [word for words in race(racer) for word in words]
    assert {said for _, said in told} <= {"ended", DONE, "lease_lost"}
    done = {job_id for job_id, said in told if said == DONE}
    for lease in leases:
        assert (found(crowd, lease.job.id).data != "1") == (lease.job.id in done)
    check(crowd, own_url)


def test_a_due_job_is_promoted_by_the_maintainer_or_by_hand_and_claimed_once(crowd: Database, own_url: str) -> None:
    ids = add(crowd, delay_ms=FAR_MS)
    databases.run(own_url, "update rowline.jobs set run_at = now() - interval '1 s'")
    numbers = {int(job_id) for job_id in ids}

    def racer(nth: int) -> tuple[str, Any]:
        if nth % 4 == 0:
            return "rounds", len(maintenance.promote_due(crowd))
        if nth % 4 == 1:
            return "claimed", [lease.job.number for _ in range(JOBS // 4) for lease in take(crowd, 1)]
        return "by hand", [outcome(manage.promote_now, crowd, job_id) for job_id in mixed(ids, nth)]

    told = race(racer)
    claims = Counter(number for kind, found in told if kind == "claimed" for number in found)
    by_hand = Counter(said for kind, found in told if kind == "by hand" for said in found)
    assert set(claims) <= numbers
    assert set(claims.values()) <= {1}
    assert set(by_hand) <= {DONE, "job_not_delayed"}
    assert by_hand[DONE] <= JOBS
    check(crowd, own_url)


def test_an_id_that_is_added_and_removed_by_many_at_once_is_created_or_is_there(crowd: Database, own_url: str) -> None:
    def racer(nth: int) -> list[str]:
        if nth % 2:
            return [outcome(manage.remove_job, crowd, "same") for _ in range(JOBS)]
        return [added(crowd, "same") for _ in range(JOBS)]

    told = Counter(word for words in race(racer) for word in words)
    assert set(told) <= {"created", "duplicate", TRY_AGAIN, DONE, "job_not_found"}
    assert told["duplicate"]
    assert told["created"] - told[DONE] in {0, 1}
    check(crowd, own_url)


def some_verb(db: Database, job_id: str, random: Random) -> str:
    verbs: list[tuple[Verb, dict[str, Any]]] = [
        (manage.remove_job, {}),
        (manage.cancel, {}),
        (manage.promote_now, {}),
        *[(manage.retry, {"reset_attempts": random.random() < 0.5})] * 3,
        (manage.change, {"change": Change(priority=random.randrange(3), delay_ms=random.choice([0, FAR_MS]))}),
        (manage.change, {"change": Change(name="other", lifo=random.random() < 0.5)}),
    ]
    verb, more = random.choice(verbs)
    return outcome(verb, db, job_id, **more)


def test_whatever_many_do_to_a_few_jobs_each_is_right_and_the_counts_too(crowd: Database, own_url: str) -> None:
    custom_ids = [f"job {nth}" for nth in range(6)]

    def racer(nth: int) -> list[str]:
        random, told = Random(nth), []
        for _ in range(40):
            custom_id = random.choice(custom_ids)
            match random.randrange(6):
                case 0:
                    added(crowd, custom_id, attempts=2)
                case 1:
                    taken = take(crowd, 2)
                    random.choice([complete, fail, stall])(crowd, taken)
                case 2:
                    maintenance.recover_stalled(crowd, max_stalled_count=1)
                case _:
                    told.append(some_verb(crowd, custom_id, random))
        return told

    told = {word for words in race(racer) for word in words}
    assert DONE in told
    assert told <= {DONE, *REFUSED}
    check(crowd, own_url)
