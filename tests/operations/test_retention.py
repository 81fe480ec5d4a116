"""Which finished jobs are removed, by whose settings, and what goes with them."""

import contextlib
from typing import Any

import pytest

from app.domain.attempts import Outcome
from app.domain.job import Completion, Failure, JsonText
from app.domain.retention import FOR_EVER, Keep
from app.domain.states import Status
from app.operations import claim, jobs, retention, settings
from app.postgres.database import Database, DatabaseError
from app.store import counts
from app.store import leases as store
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.client import Client
from tests.support.jobs import counted, new

DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def no_settings(db: Database, shared_url: str) -> None:
    databases.run(shared_url, "truncate rowline.settings")


def finished(
    db: Database, *, completed: int = 0, failed: int = 0, queue: str = "q", hours_ago: float = 1, **own: Any
) -> None:
    """Add jobs that have ended so long ago; `own` is what they say themselves of how long they are kept."""
    jobs.submit_many(db, queue=queue, new=[new(**own) for _ in range(completed + failed)])
    held = claim.claim(db, queue=queue, limit=completed + failed, lease_ms=60_000, worker="w").leases
    done, bad = held[:completed], held[completed:]
    work.complete_all(db, queue=queue, completions=[Completion(lease=one.key, result=JsonText("1")) for one in done])
    with db.begin() as conn:
        store.fail(conn, queue=queue, failures=[Failure(lease=one.key, reason="r") for one in bad])
        conn.exec_driver_sql(
            "update rowline.jobs set finished_at = finished_at - %(h)s * interval '1 hour' "
            "where queue = %(q)s and number = any(%(n)s)",
            {"h": hours_ago, "q": queue, "n": [one.key.number for one in held]},
        )


def fold(db: Database) -> None:
    with db.begin() as conn:
        counts.fold(conn, limit=1_000)


def kept(db: Database, url: str, queue: str = "q") -> dict[Status, int]:
    """Return how many finished jobs a queue has, after checking that its counts say the same."""
    with db.begin() as conn:
        found = counted(conn, queue)
        assert counts.count(conn, queue=queue) == found
    return {status: found[status] for status in (Status.COMPLETED, Status.FAILED)}


def service(db: Database, **keeps: Keep | None) -> None:
    settings.change(db, actor=ACTOR, keeps=keeps)


def swept(db: Database, *, is_whole: bool = False) -> dict[str, int]:
    fold(db)
    return retention.sweep(db, is_whole=is_whole)


def test_nothing_is_removed_where_nothing_is_set_or_for_ever(db: Database, shared_url: str) -> None:
    finished(db, completed=2, failed=2, hours_ago=9_999)
    assert swept(db) == {}
    service(db, on_complete=FOR_EVER, on_fail=FOR_EVER)
    assert swept(db, is_whole=True) == {}
    assert kept(db, shared_url) == {Status.COMPLETED: 2, Status.FAILED: 2}


def test_jobs_that_ended_too_long_ago_are_removed_by_status(db: Database, shared_url: str) -> None:
    finished(db, completed=3, failed=1, hours_ago=25)
    finished(db, completed=2, failed=1, hours_ago=23)
    service(db, on_complete=Keep(age_s=DAY_S))
    assert swept(db) == {"q": 3}
    assert kept(db, shared_url) == {Status.COMPLETED: 2, Status.FAILED: 2}
    service(db, on_fail=Keep(age_s=DAY_S))
    assert swept(db) == {"q": 1}
    assert kept(db, shared_url) == {Status.COMPLETED: 2, Status.FAILED: 1}


def test_the_newest_that_were_added_are_kept_by_count(db: Database, shared_url: str) -> None:
    finished(db, completed=5)
    service(db, on_complete=Keep(count=2))
    assert swept(db) == {"q": 3}
    [(lowest,), (highest,)] = databases.ask(shared_url, "select number from rowline.jobs order by number")
    assert swept(db) == {}
    assert highest == lowest + 1


def test_age_and_count_hold_both(db: Database, shared_url: str) -> None:
    finished(db, completed=3, hours_ago=25)
    finished(db, completed=3, hours_ago=1)
    service(db, on_complete=Keep(age_s=DAY_S, count=2))
    assert swept(db) == {"q": 4}
    finished(db, completed=1, hours_ago=25)
    assert swept(db, is_whole=True) == {"q": 2}
    assert kept(db, shared_url)[Status.COMPLETED] == 1


def test_what_has_just_ended_is_spared_by_a_count(db: Database, shared_url: str) -> None:
    finished(db, completed=3, hours_ago=0)
    service(db, on_complete=Keep(count=1))
    assert swept(db) == {}
    databases.run(shared_url, "update rowline.jobs set finished_at = finished_at - interval '6 seconds'")
    assert swept(db) == {"q": 2}


def test_a_queue_s_own_setting_wins_until_it_is_taken_away(db: Database, shared_url: str) -> None:
    finished(db, completed=2, hours_ago=25)
    finished(db, completed=2, hours_ago=25, queue="other")
    service(db, on_complete=Keep(age_s=DAY_S))
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": FOR_EVER})
    assert swept(db) == {"other": 2}
    settings.change_queue(db, actor=ACTOR, queue="q", keeps={"on_complete": None})
    assert swept(db) == {"q": 2}


def test_attempts_and_logs_go_with_their_job_and_others_stay(db: Database, shared_url: str) -> None:
    finished(db, completed=1, failed=1, hours_ago=25)
    finished(db, failed=1, hours_ago=1)
    databases.run(
        shared_url,
        "insert into rowline.logs (queue, number, line) select queue, number, 'l' from rowline.jobs; "
        "insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome) "
        f"select queue, number, 9, 'w', now(), now(), '{Outcome.FAILED}' from rowline.jobs where status = 'completed'",
    )
    service(db, on_complete=Keep(age_s=DAY_S), on_fail=Keep(age_s=DAY_S))
    assert swept(db) == {"q": 2}
    for table in ("jobs", "attempts", "logs"):
        assert databases.ask(shared_url, f"select count(*) from rowline.{table}") == [(1,)], table


def test_jobs_that_have_not_ended_are_never_removed(db: Database, shared_url: str) -> None:
    jobs.submit_many(db, queue="q", new=[new(), new(), new(delay_ms=60_000), new(priority=1)])
    claim.claim(db, queue="q", limit=1, lease_ms=60_000, worker="w")
    finished(db, completed=1, hours_ago=9)
    service(db, on_complete=Keep(age_s=0, count=0), on_fail=Keep(age_s=0, count=0))
    assert sum(swept(db, is_whole=True).values()) == 1
    with db.begin() as conn:
        assert sum(counted(conn, "q").values()) == 4


def test_a_late_job_behind_one_that_stays_is_found_by_a_whole_pass(db: Database, shared_url: str) -> None:
    finished(db, completed=1, hours_ago=1)
    finished(db, completed=1, hours_ago=25)
    service(db, on_complete=Keep(age_s=DAY_S))
    assert swept(db) == {}
    assert swept(db, is_whole=True) == {"q": 1}


def test_more_than_a_step_is_removed_in_steps_over_queues(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "ASKED_AT_ONCE", 1)
    for queue, number in (("a", 10), ("b", 3), ("c", 1)):
        finished(db, completed=number, hours_ago=25, queue=queue)
        finished(db, completed=2, hours_ago=1, queue=queue)
    service(db, on_complete=Keep(age_s=DAY_S))
    assert swept(db) == {"a": 10, "b": 3, "c": 1}
    for queue in "abc":
        assert kept(db, shared_url, queue)[Status.COMPLETED] == 2


def test_a_removed_job_is_gone_by_every_way_and_its_id_is_free(db: Database, shared_url: str) -> None:
    [first] = jobs.submit_many(db, queue="q", new=[new(custom_id="mine")])
    [lease] = claim.claim(db, queue="q", limit=1, lease_ms=60_000, worker="w").leases
    work.complete_all(db, completions=[Completion(lease=lease.key, result=JsonText("1"))])
    service(db, on_complete=Keep(age_s=0))
    assert swept(db, is_whole=True) == {"q": 1}
    [again] = jobs.submit_many(db, queue="q", new=[new(custom_id="mine")])
    assert again.outcome == "created"
    assert again.job.number > first.job.number


def test_a_job_says_itself_how_long_it_is_kept_and_its_queue_and_the_service_do_not_count(
    db: Database, shared_url: str
) -> None:
    service(db, on_complete=Keep(age_s=DAY_S), on_fail=Keep(age_s=DAY_S))
    finished(db, completed=1, hours_ago=99, remove_on_complete=FOR_EVER)
    finished(db, completed=1, hours_ago=99, remove_on_complete=Keep(age_s=100 * 3600))
    finished(db, completed=2, failed=1, hours_ago=2, remove_on_complete=Keep(age_s=3600))
    finished(db, completed=4, failed=8, hours_ago=2)
    assert swept(db, is_whole=True) == {"q": 2}
    assert kept(db, shared_url) == {Status.COMPLETED: 6, Status.FAILED: 9}


def test_a_job_that_is_not_to_be_kept_goes_at_once_and_with_all_it_leaves(db: Database, shared_url: str) -> None:
    finished(db, failed=1, hours_ago=0, remove_on_complete=Keep(count=0))
    finished(db, completed=2, failed=1, hours_ago=0)
    # As a node of the release before ends them.
    databases.run(
        shared_url,
        """update rowline.jobs set remove_on_fail = '{"count": 0}' where remove_on_complete is null; """
        """update rowline.jobs set remove_on_complete = '{"count": 0}' where status = 'completed'""",
    )
    databases.run(
        shared_url, "insert into rowline.logs (queue, number, line) select queue, number, 'l' from rowline.jobs"
    )
    assert swept(db) == {"q": 3}
    assert kept(db, shared_url) == {Status.COMPLETED: 0, Status.FAILED: 1}
    assert databases.ask(shared_url, "select count(*) from rowline.logs") == [(1,)]


def test_a_count_given_with_a_job_trims_its_queue(db: Database, shared_url: str) -> None:
    finished(db, completed=3, failed=3)
    finished(db, completed=1, remove_on_complete=FOR_EVER)
    finished(db, completed=1, remove_on_complete=Keep(age_s=3 * DAY_S))
    finished(db, completed=4, remove_on_complete=Keep(count=9))
    finished(db, completed=2, remove_on_complete=Keep(count=3))
    swept(db)
    # Two of those with the count, one behind them: three; the one with an age and the one for ever stay.
    assert kept(db, shared_url) == {Status.COMPLETED: 5, Status.FAILED: 3}
    assert swept(db, is_whole=True) == {}


def test_what_ended_a_moment_ago_is_spared_by_the_count_of_a_job(db: Database, shared_url: str) -> None:
    finished(db, completed=3, hours_ago=0, remove_on_complete=Keep(count=1))
    assert swept(db, is_whole=True) == {}
    databases.run(shared_url, "update rowline.jobs set finished_at = finished_at - interval '6 seconds'")
    assert swept(db, is_whole=True) == {"q": 2}


def test_an_endpoint_says_it_for_its_queue_before_the_queue_does(db: Database, shared_url: str) -> None:
    finished(db, completed=3, failed=1)
    finished(db, completed=1, queue="other")
    service(db, on_complete=FOR_EVER)
    databases.run(
        shared_url,
        "insert into rowline.endpoints "
        "(queue, url, method, headers, secrets, timeout_ms, concurrency, remove_on_complete) "
        """values ('q', 'https://example.com', 'POST', '', '', 1000, 1, '{"count": 1}')""",
    )
    assert swept(db) == {"q": 2}
    assert databases.ask(
        databases.as_owner(shared_url), "select queue, keeps, set_by from report.retention where jobs > 0 order by 1, 3"
    ) == [("other", "false", "service"), ("q", '{"count": 1}', "endpoint"), ("q", None, None)]


def test_a_queue_whose_jobs_take_too_long_to_remove_keeps_those_of_no_other(
    client: Client, db: Database, shared_url: str
) -> None:
    for queue in ("a", "b"):
        client.add({"name": "n", "data": 1}, queue=queue)
        work.complete_next(db, queue=queue)
        settings.change_queue(db, actor=ACTOR, queue=queue, keeps={"on_complete": Keep(age_s=60)})
    work.fold(db)
    databases.run(shared_url, "update rowline.jobs set finished_at = finished_at - interval '1 hour'")
    with databases.too_slow(shared_url, "{a}"), contextlib.suppress(DatabaseError):
        retention.sweep(db, is_whole=False)
    assert client.page(queue="b")["jobs"] == []


STEPS = """
    create table public.steps (step bigint);
    grant insert on public.steps to public;
    create function public.step() returns trigger language plpgsql as $$ begin
        insert into public.steps values (1);
        return null;
    end $$;
    create trigger step after delete on rowline.jobs for each statement execute function public.step()
"""


@pytest.mark.parametrize(("slow_s", "steps"), [(3_600.0, 3), (0.0, 1)], ids=["lately", "long ago"])
def test_a_queue_in_which_a_step_failed_lately_is_swept_by_few_at_a_time(
    client: Client, db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch, slow_s: float, steps: int
) -> None:
    monkeypatch.setattr(retention, "SLOW_S", slow_s)
    for _ in range(retention.FEW * 2 + 1):
        client.add({"name": "n", "data": 1}, queue="lately")
        work.complete_next(db, queue="lately")
    settings.change_queue(db, actor=ACTOR, queue="lately", keeps={"on_complete": Keep(age_s=60)})
    work.fold(db)
    databases.run(shared_url, "update rowline.jobs set finished_at = finished_at - interval '1 hour'")
    with databases.too_slow(shared_url, "{lately}"), contextlib.suppress(DatabaseError):
        retention.sweep(db, is_whole=False)
    databases.run(shared_url, STEPS)
    try:
        retention.sweep(db, is_whole=False)
        assert databases.ask(shared_url, "select count(*) from public.steps") == [(steps,)]
    finally:
        databases.run(
            shared_url, "drop trigger step on rowline.jobs; drop function public.step(); drop table public.steps"
        )
    assert client.page(queue="lately")["jobs"] == []
