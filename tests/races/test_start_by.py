"""The moment by which a job has to start, and claims and verbs at the same moment: one of them wins."""

import time
from collections import Counter
from random import Random
from typing import Any

import pytest

from app.domain.attempts import FailedCode
from app.domain.job import Change
from app.domain.states import Status
from app.operations import jobs, maintenance, manage
from app.postgres.database import Database
from tests.races.test_manage import DONE, Verb, check, found, mixed, outcome, take
from tests.support.jobs import new
from tests.support.race import race

JOBS, SPREAD_MS = 60, 300


def add(db: Database) -> list[str]:
    """Add jobs that have to start at different moments of the race."""
    now_ms = int(time.time() * 1000)
    asked = [new(start_by=now_ms + Random(nth).randrange(1, SPREAD_MS)) for nth in range(JOBS)]
    return [one.job.id for one in jobs.submit_many(db, queue="q", new=asked)]


def test_a_job_is_claimed_before_its_time_or_it_fails(crowd: Database, own_url: str) -> None:
    ids = add(crowd)

    def racer(nth: int) -> list[tuple[str, float]]:
        claimed: list[tuple[str, float]] = []
        while any(found(crowd, job_id).status is Status.WAITING for job_id in mixed(ids, nth)):
            if nth % 2:
                asked_ms = time.time() * 1000
                claimed += [(lease.job.id, asked_ms) for lease in take(crowd, 1)]
            else:
                maintenance.fail_unstarted(crowd)
        return claimed

    claims = [claim for claimed in race(racer) for claim in claimed]
    asked_ms = dict(claims)

    assert len(asked_ms) == len(claims)
    for job in (found(crowd, job_id) for job_id in ids):
        if job.id in asked_ms:
            assert job.status is Status.ACTIVE
            assert asked_ms[job.id] < job.start_by
        else:
            assert (job.status, job.failed_code, job.attempts_started) == (Status.FAILED, FailedCode.START_BY, 0)
            assert int(job.finished_at.timestamp() * 1000) >= job.start_by
    check(crowd, own_url)


@pytest.mark.parametrize(
    ("verb", "more"),
    [(manage.cancel, {}), (manage.remove_job, {}), (manage.change, {"change": Change(priority=2)}), (manage.retry, {})],
)
def test_a_verb_meets_a_job_before_it_fails_or_after(
    crowd: Database, own_url: str, verb: Verb, more: dict[str, Any]
) -> None:
    ids = add(crowd)

    def racer(nth: int) -> list[tuple[str, str]]:
        if nth % 2:
            return [(job_id, outcome(verb, crowd, job_id, **more)) for job_id in mixed(ids, nth)]
        for _ in range(10):
            maintenance.fail_unstarted(crowd)
        return []

    told = [word for words in race(racer) for word in words]
    time_over = time.time() + SPREAD_MS / 1000
    while time.time() < time_over:
        maintenance.fail_unstarted(crowd)
    maintenance.fail_unstarted(crowd)  # the last one may have begun before the time of all was over

    done = Counter(job_id for job_id, said in told if said == DONE)
    codes = {said for _, said in told} - {DONE}
    assert codes <= {"job_finished", "job_not_finished", "job_not_found"}
    for job_id in ids:
        if verb is manage.remove_job:
            assert done[job_id] == 1
            continue
        job = found(crowd, job_id)
        if verb is manage.retry and done[job_id]:
            assert (job.status, job.start_by, done[job_id]) == (Status.WAITING, None, 1)
        else:
            is_cancelled = verb is manage.cancel and done[job_id]
            code = FailedCode.CANCELLED if is_cancelled else FailedCode.START_BY
            assert (job.status, job.failed_code) == (Status.FAILED, code)
    check(crowd, own_url)
