"""A worker's side of a job, by the operations that real workers call; and what maintenance does behind them."""

import time
from collections.abc import Sequence
from random import Random
from typing import Any

from app.domain.job import Completion, Failure, JsonText, Lease, Release
from app.domain.states import Status
from app.operations import claim, maintenance, settle
from app.postgres.database import Database
from tests.support import jobs
from tests.support.client import Client

WORKER = "worker-1"
LEASE_MS = 60_000
RANDOM = Random(1)


def take(db: Database, *, queue: str = "q", limit: int = 1, lease_ms: int = LEASE_MS) -> list[Lease]:
    """Claim the next jobs."""
    return claim.claim(db, queue=queue, limit=limit, lease_ms=lease_ms, worker=WORKER).leases


def complete(db: Database, lease: Lease, *, queue: str = "q", result: str = "null") -> None:
    """Complete a claimed job with a result given as JSON text."""
    done = [Completion(lease=lease.key, result=JsonText(result))]
    assert set(complete_all(db, queue=queue, completions=done)) == {lease.job.number}


def complete_all(db: Database, *, queue: str = "q", completions: Sequence[Completion]) -> dict[int, Status]:
    """Complete attempts as the API does; return the statuses of the jobs that are completed, by number."""
    told = [_settlement(one) for one in completions]
    statuses = settle.finish(db, queue=queue, settlements=told, random=RANDOM).statuses
    return {one.lease.number: status for one, status in zip(completions, statuses, strict=True) if status}


def _settlement(told: Completion) -> settle.Settlement:
    return settle.Settlement(
        job_id=str(told.lease.number),
        token=told.lease.token,
        of_lease=lambda lease: told._replace(lease=lease),
    )


def complete_next(db: Database, *, queue: str = "q", result: str = "null") -> Lease:
    """Claim the next job and complete it with a result given as JSON text."""
    [lease] = take(db, queue=queue)
    complete(db, lease, queue=queue, result=result)
    return lease


def fail(db: Database, lease: Lease, *, queue: str = "q", reason: str = "broke", **failure: Any) -> None:
    """Fail the attempt of a claimed job."""
    failures = [Failure(lease=lease.key, reason=reason, **failure)]
    assert set(settle.fail(db, queue=queue, failures=failures, random=Random(1))) == {lease.job.number}


def fail_next(db: Database, *, queue: str = "q", reason: str = "broke", **failure: Any) -> Lease:
    """Claim the next job and fail the attempt."""
    [lease] = take(db, queue=queue)
    fail(db, lease, queue=queue, reason=reason, **failure)
    return lease


def release_next(db: Database, *, queue: str = "q") -> Lease:
    """Claim the next job and hand it back."""
    [lease] = take(db, queue=queue)
    assert set(settle.release(db, queue=queue, releases=[Release(lease=lease.key)])) == {lease.job.number}
    return lease


def stall_next(db: Database, *, queue: str = "q", max_stalled_count: int = 1) -> Lease:
    """Claim the next job for no time at all and have it noticed."""
    [lease] = take(db, queue=queue, lease_ms=0)
    assert maintenance.recover_stalled(db, max_stalled_count=max_stalled_count) == {queue: 1}
    return lease


def make_due(db: Database, job_id: str) -> None:
    """Have a delayed job fall due without waiting for it."""
    with db.begin() as conn:
        jobs.make_due(conn, int(job_id))


def fold(db: Database) -> None:
    """Fold the counts of all that is committed.

    A service beside the test folds each second, and while it does so `fold_counts` folds nothing.
    """
    while True:
        maintenance.fold_counts(db)
        with db.read() as conn:
            if not conn.exec_driver_sql("select exists (select from rowline.job_deltas)").scalar_one():
                return
        time.sleep(0.01)


def one_in_each_status(client: Client, db: Database) -> dict[str, str]:
    """Add jobs to queue `q` and work them until each status that an event enters has one; return their ids by it."""

    def add(status: str, **opts: int) -> None:
        ids[status] = client.add({"name": status, "data": 0, "opts": opts})[0]["id"]

    ids: dict[str, str] = {}
    add("completed")
    complete_next(db)
    add("failed")
    fail_next(db)
    add("active")
    take(db)
    add("waiting")
    add("prioritized", priority=5)
    add("delayed", delay=3_600_000)
    return ids


def age(db: Database, job_id: str, *, ms: int) -> None:
    """Have an attempt have begun, and its lease have ended, that much earlier."""
    with db.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set processed_at = processed_at - %(ms)s * interval '1 millisecond', "
            "leased_until = statement_timestamp() - interval '1 millisecond' where number = %(number)s",
            {"ms": ms, "number": int(job_id)},
        )
