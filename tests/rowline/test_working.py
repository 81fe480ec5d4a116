"""A worker's calls through the client."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import rowline

from app.operations import maintenance
from app.postgres.database import Database
from tests.support import raw
from tests.support.clusters import until
from tests.support.httpproxy import Fault, HttpProxy


def taken(queue: rowline.Queue, count: int = 1) -> tuple[rowline.Lease, ...]:
    """Add jobs and claim them."""
    queue.add_many([rowline.NewJob(name="n", data=number, attempts=2) for number in range(count)])
    leases = queue.claim(count, worker="w", lock_duration_ms=60_000)
    assert len(leases) == count
    return leases


def test_a_claimed_job_is_completed_with_its_result(queue: rowline.Queue) -> None:
    [lease] = taken(queue)

    assert (lease.job.status, lease.job.processed_by, lease.job.data) == ("active", "w", 0)
    assert lease.token not in repr(lease)
    assert queue.extend(lease, lock_duration_ms=90_000).locked_until > lease.locked_until
    assert queue.complete(lease, {"sent": True}) == "completed"
    assert queue.wait(lease.job, timeout_s=5).result == {"sent": True}
    assert queue.claim() == ()


def test_a_claim_waits_for_a_job(queue: rowline.Queue) -> None:
    with ThreadPoolExecutor() as pool:
        claiming = pool.submit(queue.claim, 5, wait_ms=20_000)
        added = queue.add("n", 1)
        assert [lease.id for lease in claiming.result(60)] == [added.id]


def test_a_failed_attempt_is_tried_again_until_there_is_none_left(queue: rowline.Queue) -> None:
    [lease] = taken(queue)

    assert queue.fail(lease, "no luck", stacktrace="at home") == "waiting"
    [again] = queue.claim()
    assert queue.fail(again, "no hope", unrecoverable=True) == "failed"
    job = queue.get(lease.id)
    assert (job.status, job.failed_reason, job.attempts_made) == ("failed", "no hope", 2)
    assert job.stacktrace[0] == "at home"
    assert [(past.attempt, past.outcome, past.reason) for past in queue.attempts(lease.id)] == [
        (1, "failed", "no luck"),
        (2, "failed", "no hope"),
    ]


def test_a_failure_may_choose_when_the_next_attempt_begins(queue: rowline.Queue) -> None:
    one, two = (queue.add("n", attempts=2, backoff=1_000) for _ in range(2))
    first, second = queue.claim(2)

    assert queue.fail(first, "busy", delay_ms=60_000) == "delayed"
    failure = rowline.Failure(lease=second, failed_reason="busy", delay_ms=0)
    assert queue.finish([failure]).statuses == ("waiting",)
    assert (queue.get(one.id).delay_ms, queue.get(two.id).delay_ms) == (60_000, 0)


def test_a_released_job_goes_back_at_once_or_later(queue: rowline.Queue) -> None:
    [lease] = taken(queue)

    assert queue.release(lease) == "waiting"
    [again] = queue.claim()
    assert queue.release(again, delay_ms=60_000) == "delayed"
    assert queue.get(lease.id).attempts_made == 0


def test_finish_ends_many_and_claims_the_next(queue: rowline.Queue) -> None:
    first, second, third = taken(queue, 3)
    queue.complete(third)
    queue.add("next")

    endings: list[rowline.Completion | rowline.Failure] = [
        rowline.Failure(lease=second, failed_reason="no", unrecoverable=True),
        rowline.Completion(lease=first, returnvalue=[1]),
        rowline.Failure(lease=third, failed_reason="late"),
    ]
    finished = queue.finish(endings, claim=5, worker="w")
    assert finished.statuses == ("failed", "completed", "lost")
    assert [lease.job.name for lease in finished.leases] == ["next"]


def test_progress_and_log_are_the_attempts_own(queue: rowline.Queue) -> None:
    [lease] = taken(queue)
    queue.progress(lease, {"done": 1})
    queue.log(lease, "begun")
    queue.log(lease, "ü")

    assert queue.get(lease.id).progress == {"done": 1}
    assert queue.logs(lease.id) == rowline.Logs(lines=("begun", "ü"), count=2)
    queue.complete(lease)
    with pytest.raises(rowline.LeaseLost):
        queue.progress(lease, 1)
    with pytest.raises(rowline.LeaseLost):
        queue.log(lease, "late")


def test_a_job_can_be_cancelled_while_it_waits_and_while_it_runs(queue: rowline.Queue) -> None:
    [lease] = taken(queue)
    added = queue.add("n")

    assert queue.cancel(added.id).failed_reason == "job cancelled"
    assert queue.cancel(added.id).status == "failed"
    assert queue.cancel(lease.id).status == "active"
    assert queue.extend(lease).cancelled
    assert queue.fail(lease, "stopped") == "failed"
    done = taken(queue)[0]
    queue.complete(done)
    with pytest.raises(rowline.Conflict) as raised:
        queue.cancel(done.id)
    assert raised.value.code == "job_finished"


def test_a_job_is_managed_by_hand(queue: rowline.Queue) -> None:
    added = queue.add("n", 1, delay_ms=3_600_000, attempts=1)

    job = queue.change(added.id, data={"to": "ü"}, name="other", priority=3, tags=["a"], attempts=2)
    assert (job.data, job.name, job.priority, job.tags, job.status) == ({"to": "ü"}, "other", 3, ("a",), "delayed")
    assert queue.promote(added.id).status == "prioritized"
    assert queue.change(added.id, priority=0, lifo=True, tags=[]).status == "waiting"
    [lease] = queue.claim()
    assert queue.change(lease.id, data=2, token=lease.token).data == 2
    assert queue.fail(lease, "broke", unrecoverable=True) == "failed"
    assert queue.retry(lease.id, reset_attempts=False).attempts_made == 1
    queue.cancel(lease.id)
    assert queue.retry(lease.id).attempts_made == 0
    queue.cancel(lease.id)
    assert queue.retry(lease.id, data=[3]).data == [3]
    assert queue.remove(lease.id).data == [3]
    with pytest.raises(rowline.NotFound):
        queue.remove(lease.id)


def test_what_runs_is_listed_of_all_queues_or_of_one(api: rowline.Rowline, queue: rowline.Queue) -> None:
    queue.add("n", 1)
    [lease] = queue.claim(worker="crane:1")
    found = api.running()
    [job] = found.jobs
    assert (job.queue, job.id, job.name, job.attempt, job.worker) == ("q", lease.id, "n", 1, "crane:1")
    assert (found.count, found.is_complete, job.progress, job.cancel_requested_on) == (1, True, 0, None)
    assert job.lease_until is not None
    assert job.started_on is not None
    assert job.lease_until > job.started_on
    assert api.running("q", length=5) == found
    assert api.running("other").jobs == api.running(start=1).jobs == ()


def test_what_its_status_does_not_allow_is_a_conflict(queue: rowline.Queue) -> None:
    [lease] = taken(queue)
    for verb in (queue.remove, queue.retry, queue.promote, lambda job_id: queue.change(job_id, name="other")):
        with pytest.raises(rowline.Conflict):
            verb(lease.id)
    queue.complete(lease)
    with pytest.raises(rowline.LeaseLost):
        queue.change(lease.id, data=2, token=lease.token)
    with pytest.raises(rowline.InvalidRequest):
        queue.change(lease.id)


def test_a_failed_job_was_cancelled_if_its_code_says_so_not_its_reason(queue: rowline.Queue) -> None:
    [lease] = taken(queue)
    queue.fail(lease, "job cancelled")
    [again] = queue.claim()
    queue.fail(again, "job cancelled")

    assert queue.get(lease.id).failed_code == "failed"
    with pytest.raises(rowline.Conflict):
        queue.cancel(lease.id)


@pytest.mark.parametrize(
    "late",
    [
        lambda queue, lease: queue.complete(lease, 1),
        lambda queue, lease: queue.fail(lease, "no"),
        lambda queue, lease: queue.release(lease),
        lambda queue, lease: queue.extend(lease),
    ],
    ids=["complete", "fail", "release", "extend"],
)
def test_a_lost_lease_is_an_error_of_its_own(
    queue: rowline.Queue, db: Database, late: Callable[[rowline.Queue, rowline.Lease], object]
) -> None:
    queue.add("n")
    [lost] = queue.claim(lock_duration_ms=500)
    # We look for it, or the service does.
    until(lambda: maintenance.recover_stalled(db, max_stalled_count=9) or queue.get(lost.job.id).status == "waiting")

    with pytest.raises(rowline.LeaseLost):
        late(queue, lost)


def test_what_ends_an_attempt_may_be_told_twice(queue: rowline.Queue, proxy: HttpProxy) -> None:
    first, second, third = taken(queue, 3)
    proxy.plan = [Fault.LOSE_ANSWER]
    assert queue.complete(first, 1) == "completed"
    proxy.plan = [Fault.LOSE_ANSWER]
    assert queue.fail(second, "no") == "waiting"
    proxy.plan = [Fault.HALF_ANSWER]
    assert queue.release(third, delay_ms=60_000) == "delayed"


def test_a_claim_whose_answer_is_lost_is_not_asked_again(queue: rowline.Queue, proxy: HttpProxy) -> None:
    queue.add_many([rowline.NewJob(name="n")] * 2)
    proxy.plan = [Fault.LOSE_ANSWER]
    with pytest.raises(rowline.Unavailable) as raised:
        queue.claim()
    assert raised.value.is_outcome_unknown
    proxy.plan = [Fault.SAY_LATER]
    assert len(queue.claim()) == 1
    assert queue.counts("active") == {"active": 2}


def test_a_finish_whose_answer_is_lost_is_told_again_without_its_claim(queue: rowline.Queue, proxy: HttpProxy) -> None:
    [lease] = taken(queue)
    queue.add_many([rowline.NewJob(name="n")] * 2)
    proxy.plan = [Fault.LOSE_ANSWER]
    finished = queue.finish([rowline.Completion(lease=lease)], claim=1)

    assert finished == rowline.Finished(statuses=("completed",), leases=())
    assert queue.counts("active", "waiting") == {"active": 1, "waiting": 1}


def test_a_claim_that_waits_ends_when_its_client_is_closed_and_takes_nothing(proxy: HttpProxy) -> None:
    leaving, staying = rowline.Rowline(proxy.url, raw.TOKEN), rowline.Rowline(proxy.url, raw.TOKEN)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(leaving.queue("q").claim, wait_ms=20_000)
        until(lambda: any(b"/claim " in request for request in proxy.requests))
        second = pool.submit(staying.queue("q").claim, wait_ms=20_000)
        leaving.close()
        added = staying.queue("q").add("n")
        assert [lease.id for lease in second.result(60)] == [added.id]
        assert first.result(60) == ()
    assert staying.queue("q").attempts(added.id)[0].outcome == "running"


@pytest.mark.parametrize("data", ["9" * 5_000, "[" * 2_000 + "]" * 2_000], ids=["too many digits", "too deep"])
@pytest.mark.parametrize("is_finishing", [False, True])
def test_a_job_that_this_python_cannot_read_is_failed_and_the_others_are_claimed(
    queue: rowline.Queue, db: Database, data: str, *, is_finishing: bool
) -> None:
    """Told of what it stands among: quotes, brackets and backslashes in texts."""
    [before] = taken(queue)
    texts = ['], "jobs": [{', "\\", '\\"', "", None, {"]": ["{"]}]
    first, *rest = queue.add_many([rowline.NewJob(name="n", data=text, attempts=9) for text in [0, *texts]])
    with db.begin() as conn:
        conn.exec_driver_sql(
            "update rowline.jobs set data = %s where custom_id is null and number = %s", (data, first.id)
        )

    if is_finishing:
        finished = queue.finish([rowline.Completion(lease=before)], claim=20)
        assert finished.statuses == ("completed",)
        leases = finished.leases
    else:
        leases = queue.claim(20)

    assert [(lease.id, lease.job.data) for lease in leases] == [(job.id, job.data) for job in rest]
    [past] = queue.attempts(first.id)
    assert (past.outcome, (past.reason or "").startswith("the job's data cannot be read: ")) == ("failed", True)
    with pytest.raises(rowline.RowlineError, match="not a response of Rowline"):
        queue.get(first.id)
