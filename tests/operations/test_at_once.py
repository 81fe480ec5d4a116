"""Jobs of which none are to be kept go in the transaction that fails them, or are swept when they have ended."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from app.domain.job import Completion, Failure, JsonText, Lease, Release
from app.domain.retention import FOR_EVER, Keep
from app.operations import jobs, maintenance, manage, retention, settings, settle
from app.postgres.database import Database
from app.store import counts, leases
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import counted, new

GONE = Keep(count=0)
DAY_S = 24 * 3600
End = Callable[[Database, str], object]


@pytest.fixture(autouse=True)
def no_settings(db: Database, shared_url: str) -> None:
    databases.run(shared_url, "truncate rowline.settings")


def add(db: Database, *, queue: str = "q", **fields: Any) -> str:
    [added] = jobs.submit_many(db, queue=queue, new=[new(**fields)])
    return added.job.id


def cancel(db: Database, job_id: str) -> None:
    manage.cancel(db, actor=ACTOR, queue="q", job_id=job_id)


def release_cancelled(db: Database, job_id: str) -> None:
    [lease] = work.take(db)
    cancel(db, job_id)
    settle.release(db, queue="q", releases=[Release(lease=lease.key)])


def fail_cancelled(db: Database, job_id: str) -> None:
    [lease] = work.take(db)
    cancel(db, job_id)
    settle.fail(db, queue="q", failures=[Failure(lease=lease.key, reason="r")], random=Random(1))


def stall_as_its_process_died(db: Database, _job_id: str) -> None:
    [lease] = work.take(db)
    settle.recover_dead(db, queue="q", held=[lease.key], max_stalled_count=0)


def time_out(db: Database, _job_id: str) -> None:
    work.take(db)
    with db.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set timeout_ms = 1, leased_until = now() - interval '1 s', "
            "processed_at = now() - interval '9 s'"
        )
    assert maintenance.time_out(db, random=Random(1)) == {"q": 1}


def start_too_late(db: Database, _job_id: str) -> None:
    with db.begin() as conn:
        conn.exec_driver_sql("update rowline.jobs set start_by = 1")
    assert maintenance.fail_unstarted(db) == {"q": 1}


ENDS: dict[str, End] = {
    "its worker says so": lambda db, _job_id: work.fail_next(db),
    "its worker says so for good": lambda db, _job_id: work.fail_next(db, unrecoverable=True),
    "a timeout": time_out,
    "a cancel while it waits": cancel,
    "a cancel, and its worker fails it": fail_cancelled,
    "a cancel, and its worker releases it": release_cancelled,
    "a stall too many": lambda db, _job_id: work.stall_next(db, max_stalled_count=0),
    "the death of its process": stall_as_its_process_died,
    "a start that came too late": start_too_late,
}


def left(url: str) -> dict[str, int]:
    """Return how many rows there are of jobs, and of what they leave."""
    tables = ("jobs", "attempts", "logs")
    return {table: databases.ask(url, f"select count(*) from rowline.{table}")[0][0] for table in tables}


def folded(db: Database, url: str) -> list[tuple[int, ...]]:
    """Fold the counts, see that they are right; return how many were added, completed and failed in this minute."""
    work.fold(db)
    with db.begin() as conn:
        assert counts.count(conn, queue="q") == counted(conn, "q")
    return databases.ask(url, "select sum(added), sum(completed), sum(failed) from rowline.job_minutes")


@pytest.mark.usefixtures("early_in_a_minute")
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("keep", [GONE, Keep(count=0, age_s=60)])
def test_a_failed_job_that_is_not_to_be_kept_goes_with_all_it_leaves_whatever_failed_it(
    db: Database, shared_url: str, end: End, keep: Keep
) -> None:
    job_id = add(db, remove_on_fail=keep)
    databases.run(shared_url, f"insert into rowline.logs (queue, number, line) values ('q', {job_id}, 'l')")
    end(db, job_id)
    assert left(shared_url) == {"jobs": 0, "attempts": 0, "logs": 0}
    assert folded(db, shared_url) == [(1, 0, 1)]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("keep", [None, FOR_EVER, Keep(count=1), Keep(age_s=60)])
def test_one_that_is_to_be_kept_is_there_whatever_failed_it(
    db: Database, shared_url: str, end: End, keep: Keep | None
) -> None:
    end(db, add(db, remove_on_fail=keep, remove_on_complete=GONE))
    assert databases.ask(shared_url, "select status from rowline.jobs") == [("failed",)]


def test_one_that_is_retried_or_released_or_recovered_stays_with_its_attempts(db: Database, shared_url: str) -> None:
    add(db, remove_on_fail=GONE, attempts=3)
    work.fail_next(db)
    work.release_next(db)
    work.stall_next(db)
    assert left(shared_url) == {"jobs": 1, "attempts": 3, "logs": 0}
    work.fail_next(db)
    assert left(shared_url)["jobs"] == 1
    work.fail_next(db)
    assert left(shared_url) == {"jobs": 0, "attempts": 0, "logs": 0}


def test_of_many_that_fail_together_those_go_that_say_so(db: Database, shared_url: str) -> None:
    for keep in (GONE, None, GONE, FOR_EVER):
        add(db, remove_on_fail=keep)
    held = work.take(db, limit=4)
    told = settle.fail(db, queue="q", failures=failures(held), random=Random(1))
    assert {*told.values()} == {"failed"}
    assert len(told) == 4
    assert databases.ask(shared_url, "select number from rowline.jobs order by number") == [
        (held[nth].job.number,) for nth in (1, 3)
    ]


def failures(held: list[Lease]) -> list[Failure]:
    return [Failure(lease=lease.key, reason="r") for lease in held]


def test_who_repeats_that_it_failed_hears_the_same_and_who_says_other_things_does_not(
    db: Database, shared_url: str
) -> None:
    add(db, remove_on_fail=GONE)
    held = work.take(db)
    number = held[0].job.number
    for _ in range(2):
        assert settle.fail(db, queue="q", failures=failures(held), random=Random(1)) == {number: "failed"}
    completions = [Completion(lease=held[0].key, result=JsonText("1"))]
    assert work.complete_all(db, completions=completions) == {}
    assert settle.release(db, queue="q", releases=[Release(lease=held[0].key)]) == {}
    other = held[0].key._replace(token="00000000-0000-4000-8000-000000000000")
    asked = [Failure(lease=other, reason="r")]
    assert settle.fail(db, queue="q", failures=asked, random=Random(1)) == {}
    databases.run(shared_url, "update rowline.removed_jobs set removed_at = removed_at - interval '16 minutes'")
    retention.sweep(db, is_whole=False)
    assert settle.fail(db, queue="q", failures=failures(held), random=Random(1)) == {}


def test_a_failure_that_is_not_committed_removes_nothing(db: Database, shared_url: str) -> None:
    add(db, remove_on_fail=GONE)
    held = work.take(db)
    with db.begin() as conn:
        leases.fail(conn, queue="q", failures=failures(held))
        conn.rollback()
        conn.begin()
    assert databases.ask(shared_url, "select status from rowline.jobs") == [("active",)]
    assert databases.ask(shared_url, "select 1 from rowline.removed_jobs") == []


def ended(db: Database, number: int = 1, *, queue: str = "q", fails: bool = False, **own: Any) -> list[Lease]:
    """Add jobs and have them end now."""
    for _ in range(number):
        add(db, queue=queue, **own)
    held = work.take(db, queue=queue, limit=number)
    if fails:
        settle.fail(db, queue=queue, failures=failures(held), random=Random(1))
    else:
        work.complete_all(db, queue=queue, completions=completions(held))
    return held


def completions(held: list[Lease]) -> list[Completion]:
    return [Completion(lease=lease.key, result=JsonText("1")) for lease in held]


def swept(db: Database, *, is_whole: bool = False) -> dict[str, int]:
    work.fold(db)
    return retention.sweep_at_once(db, is_whole=is_whole)


def by_service(keeps: dict[str, Keep | None], db: Database, _url: str) -> None:
    settings.change(db, actor=ACTOR, keeps=keeps)


def by_queue(keeps: dict[str, Keep | None], db: Database, _url: str) -> None:
    settings.change(db, actor=ACTOR, keeps={"on_complete": FOR_EVER, "on_fail": FOR_EVER})
    settings.change_queue(db, actor=ACTOR, queue="q", keeps=keeps)


def by_endpoint(keeps: dict[str, Keep | None], db: Database, url: str) -> None:
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": FOR_EVER, "on_fail": FOR_EVER})
    values = ", ".join(f"'{keep.text}'" if (keep := keeps.get(name)) else "null" for name in ("on_complete", "on_fail"))
    databases.run(
        url,
        "insert into rowline.endpoints "
        "(queue, url, method, headers, secrets, timeout_ms, concurrency, remove_on_complete, remove_on_fail) "
        f"values ('q', 'https://example.com', 'POST', '', '', 1000, 1, {values})",
    )


@pytest.mark.usefixtures("early_in_a_minute")
@pytest.mark.parametrize("by", [by_service, by_queue, by_endpoint])
@pytest.mark.parametrize("keep", [GONE, Keep(age_s=0), Keep(count=0, age_s=DAY_S), Keep(count=9, age_s=0)])
@pytest.mark.parametrize("name", ["on_complete", "on_fail"])
def test_where_none_are_kept_what_has_just_ended_goes_and_nothing_else(
    db: Database, shared_url: str, by: Callable[..., None], keep: Keep, name: str
) -> None:
    assert not retention.is_any_at_once(db)
    by({name: keep}, db, shared_url)
    assert retention.is_any_at_once(db)
    ended(db, 2, fails=True)
    ended(db, 3)
    add(db)
    work.take(db)
    add(db)
    databases.run(
        shared_url, "insert into rowline.logs (queue, number, line) select queue, number, 'l' from rowline.jobs"
    )
    gone = 3 if name == "on_complete" else 2
    assert swept(db) == {"q": gone}
    assert swept(db) == {}
    assert left(shared_url) == {"jobs": 7 - gone, "attempts": 2 if gone == 3 else 0, "logs": 7 - gone}
    assert folded(db, shared_url) == [(7, 3, 2)]


@pytest.mark.parametrize("keep", [FOR_EVER, Keep(age_s=DAY_S), Keep(count=5)])
def test_those_that_say_themselves_that_they_are_kept_stay(db: Database, shared_url: str, keep: Keep) -> None:
    by_service({"on_complete": GONE}, db, shared_url)
    ended(db, 2, remove_on_complete=keep)
    ended(db, 2)
    assert swept(db) == {"q": 2}
    assert retention.sweep(db, is_whole=True) == {}
    assert left(shared_url)["jobs"] == 2


def test_the_other_sweep_leaves_them_to_it_so_that_each_is_remembered(db: Database, shared_url: str) -> None:
    by_service({"on_complete": GONE, "on_fail": GONE}, db, shared_url)
    done, bad = ended(db), ended(db, fails=True)
    work.fold(db)
    assert retention.sweep(db, is_whole=False) == {}
    assert retention.sweep(db, is_whole=True) == {"q": 2}
    assert left(shared_url)["jobs"] == 0
    assert work.complete_all(db, completions=completions(done)) == {done[0].job.number: "completed"}
    assert settle.fail(db, queue="q", failures=failures(bad), random=Random(1)) == {bad[0].job.number: "failed"}
    assert work.complete_all(db, completions=completions(bad)) == {}
    assert settle.fail(db, queue="q", failures=failures(done), random=Random(1)) == {}


def test_a_queue_s_own_setting_wins_over_one_that_keeps_none(db: Database, shared_url: str) -> None:
    by_service({"on_complete": GONE}, db, shared_url)
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": Keep(age_s=DAY_S)})
    ended(db)
    ended(db, queue="other")
    assert swept(db) == {"other": 1}


def test_many_go_in_steps_over_queues_and_a_late_one_among_many_that_stay_is_found_by_a_whole_pass(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "MANY", 4)
    by_service({"on_complete": GONE}, db, shared_url)
    for queue in "ab":
        ended(db, 10, queue=queue)
    ended(db, 4, remove_on_complete=FOR_EVER)
    ended(db, 2)
    assert swept(db) == {"a": 10, "b": 10}  # q has more than MANY, and none of the first three goes
    assert swept(db, is_whole=True) == {"q": 2}
    assert left(shared_url)["jobs"] == 4
