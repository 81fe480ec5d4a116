"""Cancelling: of jobs that nobody works on, and of those that somebody does."""

import json
from typing import Any

import pytest

from app.operations import maintenance
from app.postgres.database import Database
from tests.support import answers, work
from tests.support.client import Client


def _cancel(client: Client, job_id: str, status: int = 200) -> dict[str, Any]:
    answer = client.post(f"/queues/q/jobs/{job_id}/cancel", "")
    assert answer.status_code == status, answer.text
    return dict(answer.json or {})


def _outcomes(client: Client, job_id: str) -> list[str]:
    told = client.get(f"/queues/q/jobs/{job_id}/attempts").json or {}
    return [attempt["outcome"] for attempt in told["attempts"]]


@pytest.mark.parametrize("opts", [{}, {"priority": 3}, {"delay": 60_000}, {"jobId": "mine"}])
def test_a_job_that_nobody_works_on_ends_at_once(client: Client, opts: dict[str, Any]) -> None:
    [job] = client.add({"name": "n", "data": 1, "opts": opts | {"attempts": 5}})

    cancelled = _cancel(client, job["id"])

    assert (cancelled["status"], cancelled["failedReason"]) == ("failed", "job cancelled")
    assert cancelled == client.job(job["id"])
    assert _outcomes(client, job["id"]) == []


def test_the_worker_of_an_active_job_hears_of_it_at_its_next_heartbeat(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1, "opts": {"attempts": 5}})
    [lease] = work.take(db)

    assert _cancel(client, lease.job.id)["status"] == "active"
    assert _cancel(client, lease.job.id)["status"] == "active"

    beat = client.post(f"/queues/q/jobs/{lease.job.id}/extend", json.dumps({"token": lease.token}))
    assert (beat.json or {})["cancelled"] is True


@pytest.mark.parametrize(
    ("verb", "status", "reason"),
    [("fail", "failed", "stopped"), ("release", "failed", "job cancelled"), ("complete", "completed", None)],
)
def test_a_cancelled_attempt_is_the_last(
    client: Client, db: Database, verb: str, status: str, reason: str | None
) -> None:
    client.add({"name": "n", "data": 1, "opts": {"attempts": 5}})
    [lease] = work.take(db)
    _cancel(client, lease.job.id)
    said = {"token": lease.token} | ({"failedReason": "stopped"} if verb == "fail" else {})

    told = client.post(f"/queues/q/jobs/{lease.job.id}/{verb}", json.dumps(said))

    job = client.job(lease.job.id)
    assert (told.json or {})["status"] == status
    assert (job["status"], job.get("failedReason")) == (status, reason)
    assert _outcomes(client, lease.job.id) == ["completed" if verb == "complete" else "cancelled"]


def test_a_cancelled_job_whose_worker_is_gone_does_not_run_again(client: Client, db: Database) -> None:
    client.add({"name": "n", "data": 1, "opts": {"attempts": 5}})
    [lease] = work.take(db, lease_ms=0)
    _cancel(client, lease.job.id)

    maintenance.recover_stalled(db, max_stalled_count=9)

    assert client.job(lease.job.id)["failedReason"] == "job cancelled"
    assert _outcomes(client, lease.job.id) == ["cancelled"]


def test_what_has_ended_cannot_be_cancelled(client: Client, db: Database) -> None:
    ids = work.one_in_each_status(client, db)
    for status in ("completed", "failed"):
        before = client.job(ids[status])
        assert _cancel(client, ids[status], 409)["code"] == "job_finished"
        assert client.job(ids[status]) == before


@pytest.mark.parametrize("job_id", ["999999", "nobody", "9" * 40])
def test_what_is_not_there_cannot_be_cancelled(client: Client, job_id: str) -> None:
    answers.error(client.post(f"/queues/q/jobs/{job_id}/cancel", ""), 404)
