"""A worker over HTTP chooses the wait before the next attempt, instead of the backoff's."""

import json
from typing import Any

import pytest

from tests.support import answers
from tests.support.client import Client

JOBS = "/queues/q/jobs"
NOBODYS = "7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"
FAULTS: list[tuple[object, str]] = [
    (-1, "must be between 0 and 316224000000"),
    (316_224_000_001, "must be between 0 and 316224000000"),
    (0.5, "must be an integer"),
    (True, "must be an integer"),
    ("5", "must be an integer"),
]


def tell(client: Client, path: str, body: object) -> dict[str, Any]:
    return dict(answers.ok(client.post(f"{JOBS}/{path}", json.dumps(body))))


def claimed(client: Client, **opts: object) -> tuple[str, str]:
    """Add a job and claim it; return its id and its token."""
    client.add({"name": "n", "data": 1, "opts": opts})
    [lease] = tell(client, "claim", {})["jobs"]
    return lease["job"]["id"], lease["token"]


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("delay", "status"), [(60_000, "delayed"), (0, "waiting"), (5.0, "delayed"), (None, "delayed")]
)
def test_the_next_attempt_waits_as_long_as_the_worker_says(
    client: Client, delay: float | None, status: str, *, batched: bool
) -> None:
    job_id, token = claimed(client, attempts=2, backoff=1_000)
    failure = {"token": token, "failedReason": "busy", "delay": delay}
    if batched:
        [ended] = tell(client, "finish", {"jobs": [failure | {"id": job_id}]})["finished"]
    else:
        ended = tell(client, f"{job_id}/fail", failure)

    assert ended == {"id": job_id, "status": status}
    job = client.job(job_id)
    assert (job["delay"], job["failedReason"], job["attemptsMade"]) == (1_000 if delay is None else delay, "busy", 1)


def test_an_element_of_finish_with_nothing_but_a_delay_is_a_failure(client: Client) -> None:
    job_id, token = claimed(client, attempts=2)
    [ended] = tell(client, "finish", {"jobs": [{"id": job_id, "token": token, "delay": 60_000}]})["finished"]

    assert ended["status"] == "delayed"
    assert client.job(job_id)["failedReason"] == "unknown failure"


@pytest.mark.parametrize(("opts", "more"), [({}, {}), ({"attempts": 3}, {"unrecoverable": True})])
def test_without_an_attempt_left_the_job_fails(client: Client, opts: dict[str, Any], more: dict[str, Any]) -> None:
    job_id, token = claimed(client, **opts)

    assert tell(client, f"{job_id}/fail", {"token": token, "delay": 60_000} | more)["status"] == "failed"


def test_a_cancelled_job_fails(client: Client) -> None:
    job_id, token = claimed(client, attempts=3)
    tell(client, f"{job_id}/cancel", None)

    assert tell(client, f"{job_id}/fail", {"token": token, "delay": 60_000})["status"] == "failed"


@pytest.mark.parametrize(("delay", "fault"), FAULTS)
def test_a_wait_that_cannot_be_is_named(client: Client, delay: object, fault: str) -> None:
    failure = {"token": NOBODYS, "delay": delay}
    alone = client.post(f"{JOBS}/1/fail", json.dumps(failure))
    batched = client.post(f"{JOBS}/finish", json.dumps({"jobs": [failure | {"id": "1"}]}))

    assert answers.error(alone, 400) == f"delay {fault}"
    assert answers.error(batched, 400) == f"jobs[0].delay {fault}"
