"""POST /queues/:queue/jobs: all or nothing, in the order sent."""

import json

import pytest

from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client


def test_jobs_come_back_in_the_order_sent_with_what_became_of_each(client: Client) -> None:
    added = client.add({"name": "a", "data": {"x": 1}}, {"name": "b", "data": None, "opts": {"jobId": "mine"}})

    assert [(job["name"], job["outcome"]) for job in added] == [("a", "created"), ("b", "created")]
    assert added[0]["id"].isdigit()
    assert added[1]["id"] == "mine"


def test_ten_thousand_jobs_come_back_in_the_order_sent(client: Client) -> None:
    sent = [{"name": "n", "data": number} for number in range(10_000)]

    added = client.add(*sent)

    assert [job["data"] for job in added] == list(range(10_000))
    assert [int(job["id"]) for job in added] == sorted(int(job["id"]) for job in added)


def test_one_bad_job_among_ten_thousand_adds_none_and_is_named(client: Client) -> None:
    sent = [{"name": "n", "data": 1, "opts": {}} for _ in range(10_000)]
    sent[9_998]["opts"] = {"priority": 2_097_153}

    answer = client.post("/queues/q/jobs", json.dumps(sent))

    assert answers.error(answer, 400) == "jobs[9998].opts.priority must be between 1 and 2097152"
    assert sum(client.page()["counts"].values()) == 0


@pytest.mark.parametrize(
    ("opts", "status"),
    [
        ({}, "waiting"),
        ({"lifo": True}, "waiting"),
        ({"delay": 0}, "waiting"),
        ({"priority": 1}, "prioritized"),
        ({"delay": 60_000}, "delayed"),
        ({"delay": 60_000, "priority": 1, "lifo": True}, "delayed"),
    ],
)
def test_a_job_enters_the_status_that_its_opts_call_for(client: Client, opts: dict[str, object], status: str) -> None:
    [added] = client.add({"name": "n", "data": 0, "opts": opts})

    assert added["status"] == client.job(added["id"])["status"] == status
    assert client.page()["counts"][status] == 1


def test_what_the_answer_says_of_a_job_is_what_get_says(client: Client) -> None:
    added = client.add(
        {"name": "a", "data": {"x": [1]}, "opts": {"delay": 5000, "priority": 2}}, {"name": "b", "data": 0}
    )

    for job in added:
        assert job.pop("outcome") == "created"
        assert client.job(job["id"]) == job


def test_the_order_of_an_array_is_the_order_of_work(client: Client, db: Database) -> None:
    opts: list[dict[str, object]] = [{}, {"lifo": True}, {"priority": 2}, {"priority": 1}, {"lifo": True}, {}]
    client.add(*({"name": f"job {index}", "data": 0, "opts": each} for index, each in enumerate(opts)))

    claimed = [lease.job.name for lease in work.take(db, limit=10)]

    assert claimed == ["job 4", "job 1", "job 0", "job 5", "job 3", "job 2"]


@pytest.mark.parametrize(
    ("opts", "attempts"), [({}, 1), ({"attempts": 0}, 1), ({"attempts": 1}, 1), ({"attempts": 2.0}, 2)]
)
def test_a_job_may_fail_as_often_as_its_attempts_say(
    client: Client, db: Database, opts: dict[str, object], attempts: int
) -> None:
    [added] = client.add({"name": "n", "data": 0, "opts": opts})
    for _ in range(attempts - 1):
        work.fail_next(db)
        assert client.job(added["id"])["status"] == "waiting"

    work.fail_next(db)

    assert client.job(added["id"])["status"] == "failed"


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (700, [700, 700, 700]),
        ({"type": "fixed", "delay": 700}, [700, 700, 700]),
        ({"type": "linear", "delay": 700}, [700, 1400, 2100]),
        ({"type": "exponential", "delay": 700}, [700, 1400, 2800]),
    ],
)
def test_a_failed_job_waits_as_its_backoff_says(
    client: Client, db: Database, backoff: object, delays: list[int]
) -> None:
    [added] = client.add({"name": "n", "data": 0, "opts": {"attempts": 4, "backoff": backoff}})
    for delay in delays:
        work.fail_next(db)
        waiting = client.job(added["id"])
        assert (waiting["status"], waiting["delay"]) == ("delayed", delay)
        work.make_due(db, added["id"])
    work.fail_next(db)

    assert client.job(added["id"])["status"] == "failed"
