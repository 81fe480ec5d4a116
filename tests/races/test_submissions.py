"""Jobs that many add at the same moment."""

import itertools

import psycopg
import pytest

from app.domain.job import Job, JsonText, NewJob
from app.domain.states import Status
from app.operations.jobs import TOGETHER_MAX_BYTES, Submissions
from app.postgres.database import Database
from app.queries import jobs
from tests.support import databases
from tests.support.jobs import new
from tests.support.race import RACERS, race

EACH = 50


def differing(nth: int) -> NewJob:
    return new(
        f"job-{nth}",
        data=JsonText(f'{{"nth": {nth}}}'),
        priority=nth % 3,
        lifo=nth % 5 == 0,
        delay_ms=60_000 * (nth % 2),
        attempts=nth % 4 + 1,
    )


def test_each_caller_gets_his_own_job_as_it_is_stored(crowd: Database) -> None:
    submissions = Submissions(crowd)

    def add(nth: int) -> list[tuple[NewJob, Job]]:
        asked = [differing(nth * EACH + more) for more in range(EACH)]
        return [(one, submissions.submit_many(queue="q", new=[one])[0].job) for one in asked]

    added = list(itertools.chain(*race(add)))

    assert len({job.number for _, job in added}) == RACERS * EACH
    for asked, job in added:
        assert (job.name, job.data) == (asked.name, asked.data)
        assert (job.priority, job.lifo, job.delay_ms) == (asked.priority, asked.lifo, asked.delay_ms)
        assert jobs.Lookup(crowd).find(queue="q", job_id=job.id) == job._replace(stacktrace=[])


def test_callers_share_commits(crowd: Database, own_url: str) -> None:
    submissions = Submissions(crowd)

    race(lambda _: [submissions.submit_many(queue="q", new=[new()]) for _ in range(EACH)])

    [[added, commits]] = databases.ask(own_url, "select count(*), count(distinct xmin::text) from rowline.jobs")
    assert added == RACERS * EACH
    assert commits < added


def test_a_job_that_is_refused_takes_no_other_with_it(crowd: Database, own_url: str) -> None:
    databases.run(own_url, "alter table rowline.jobs add check (name <> 'refused')")
    submissions = Submissions(crowd)

    def add(nth: int) -> int:
        if nth % 4 == 0:
            with pytest.raises(psycopg.errors.CheckViolation):
                submissions.submit_many(queue="q", new=[new("refused")])
            return 0
        return len([submissions.submit_many(queue="q", new=[new()]) for _ in range(EACH)])

    added = sum(race(add))

    stored = jobs.Pages(crowd).read(queue="q", part=jobs.Part(statuses=(Status.WAITING,)))
    assert stored.counts == {Status.WAITING: added}


@pytest.mark.parametrize(
    "alone",
    [
        [new(custom_id="own")],
        [new(data=JsonText('"' + "x" * TOGETHER_MAX_BYTES + '"'))],
        [new("first"), new("second")],
        [],
    ],
    ids=["a custom id", "much data", "an array", "nothing"],
)
def test_what_has_to_wait_or_is_long_goes_alone(crowd: Database, alone: list[NewJob]) -> None:
    submissions = Submissions(crowd)

    added = submissions.submit_many(queue="q", new=alone)

    assert [(one.job.name, one.job.data) for one in added] == [(job.name, job.data) for job in alone]
