"""Failed jobs that go at once, and queues that keep none, where several act on a job at the same moment."""

from collections import Counter
from random import Random

import pytest

from app.domain.job import Failure
from app.domain.retention import Keep
from app.operations import jobs, maintenance, manage, retention, settings, settle
from app.postgres.database import Database
from tests.races.test_manage import DONE, Verb, check, complete, mixed, outcome, take
from tests.support import databases, work
from tests.support.acting import ACTOR
from tests.support.jobs import new
from tests.support.race import RACERS, race

GONE = Keep(count=0)
JOBS = 60


def test_of_many_who_say_that_a_job_failed_all_hear_that_it_did_and_it_goes_once(crowd: Database, own_url: str) -> None:
    jobs.submit_many(crowd, queue="q", new=[new(remove_on_fail=GONE) for _ in range(JOBS)])
    held = take(crowd, JOBS)
    failures = [Failure(lease=lease.key, reason="r") for lease in held]

    def racer(nth: int) -> dict[int, str]:
        told: dict[int, str] = {}
        for failure in mixed(failures, nth):
            told |= settle.fail(crowd, queue="q", failures=[failure], random=Random(nth))
        return told

    assert race(racer) == [dict.fromkeys((lease.job.number for lease in held), "failed")] * RACERS
    assert databases.ask(own_url, "select number from rowline.jobs") == []
    assert databases.ask(own_url, "select count(*), count(distinct number) from rowline.removed_jobs") == [(JOBS, JOBS)]
    work.fold(crowd)
    assert databases.ask(own_url, "select sum(added), sum(failed) from rowline.job_minutes") == [(JOBS, JOBS)]
    check(crowd, own_url)


@pytest.mark.parametrize("size", [1, 7])
def test_of_many_who_complete_jobs_all_hear_that_these_are_while_others_fold(
    crowd: Database, own_url: str, size: int
) -> None:
    jobs.submit_many(crowd, queue="q", new=[new(remove_on_complete=GONE, tags=["t"][: nth % 2]) for nth in range(JOBS)])
    held = take(crowd, JOBS)

    def racer(nth: int) -> set[str]:
        told: set[str] = set()
        for first in mixed(range(0, JOBS, size), nth):
            if nth % 4 == 0:
                maintenance.fold_counts(crowd)
            told |= complete(crowd, held[first : first + size])
        return told

    assert race(racer) == [{lease.job.id for lease in held}] * RACERS
    assert databases.ask(own_url, "select number from rowline.jobs") == []
    work.fold(crowd)
    assert databases.ask(own_url, "select sum(octet_length(attempts)) from rowline.removed_packs") == [(24 * JOBS,)]
    assert databases.ask(own_url, "select sum(added), sum(completed) from rowline.job_minutes") == [(JOBS, JOBS)]
    check(crowd, own_url)


def test_a_job_is_cancelled_while_it_waits_or_its_attempt_fails_and_it_goes_once(crowd: Database, own_url: str) -> None:
    added = jobs.submit_many(crowd, queue="q", new=[new(remove_on_fail=GONE) for _ in range(JOBS)])
    ids = [one.job.id for one in added]

    def racer(nth: int) -> list[str]:
        if nth % 2:
            return [outcome(manage.cancel, crowd, job_id) for job_id in mixed(ids, nth)]
        for _ in range(JOBS):
            failures = [Failure(lease=lease.key, reason="r") for lease in take(crowd, 2)]
            settle.fail(crowd, queue="q", failures=failures, random=Random(nth))
        return []

    assert {told for those in race(racer) for told in those} <= {DONE, "job_not_found"}
    assert databases.ask(own_url, "select number from rowline.jobs") == []
    work.fold(crowd)
    assert databases.ask(own_url, "select sum(added), sum(failed) from rowline.job_minutes") == [(JOBS, JOBS)]
    check(crowd, own_url)


@pytest.mark.parametrize("verb", [manage.retry, manage.remove_job])
def test_a_job_of_a_queue_that_keeps_none_is_swept_once_whatever_is_done_to_it(
    crowd: Database, own_url: str, verb: Verb
) -> None:
    settings.change_queue(crowd, actor=ACTOR, queue="q", keeps={"on_complete": GONE})
    added = jobs.submit_many(crowd, queue="q", new=[new() for _ in range(JOBS)])
    ids = [one.job.id for one in added]

    def racer(nth: int) -> list[str]:
        told: list[str] = []
        for job_id in mixed(ids, nth):
            if nth % 3 == 0:
                complete(crowd, take(crowd, 3))
            elif nth % 3 == 1:
                maintenance.fold_counts(crowd)
                retention.sweep_at_once(crowd)
            else:
                told.append(outcome(verb, crowd, job_id))
        return told

    told = Counter(one for those in race(racer) for one in those)
    while held := take(crowd, JOBS):
        complete(crowd, held)
    work.fold(crowd)
    retention.sweep_at_once(crowd)
    assert databases.ask(own_url, "select number from rowline.jobs") == []
    check(crowd, own_url)
    [(completed,)] = databases.ask(own_url, "select coalesce(sum(completed), 0) from rowline.job_minutes")
    if verb is manage.retry:
        assert completed == JOBS + told[DONE]
