"""The client for one queue. Every method may raise the errors of `rowline.errors`."""

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, Unpack

from rowline import answers, claims, find, given, tracing
from rowline.errors import Conflict, JobFailed, RowlineError, Unavailable
from rowline.given import HasId
from rowline.transport import CLOSED, Call, Transport, quoted
from rowline.values import (
    AddedJob,
    AttemptInfo,
    Completion,
    Extended,
    Failure,
    Finished,
    Held,
    JobInfo,
    Lease,
    Logs,
    NewJob,
    Page,
)
from rowline.wholequeue import WholeQueue

R = TypeVar("R")
FIRST_LOOK_S = 0.05  # the first pause of `wait` between two requests
LONGEST_LOOK_S = 2.0
RESPONSE_S, LONGEST_RESPONSE_S = 1.0, 30.0  # how long `wait` waits for a late response: at its end, and before
CANCELLED = "job cancelled"  # the failed_reason of a cancelled job
LONGEST_WAIT_MS = 30_000  # the service's limit for the wait of a request


class Queue(WholeQueue):
    """A queue, returned by `Rowline.queue`. Thread-safe. A job that exists is given by itself or by its id."""

    def __init__(self, transport: Transport, name: str) -> None:
        """Use the queue `name`; it need not exist."""
        super().__init__(transport, name)
        self._jobs = f"{self._path}/jobs"

    # Adding

    def add(
        self,
        name: str,
        data: Any = None,
        *,
        attempts: int | None = None,
        backoff: int | Mapping[str, Any] | None = None,
        delay_ms: int | None = None,
        priority: int | None = None,
        lifo: bool | None = None,
        job_id: str | None = None,
        timeout_ms: int | None = None,
        keep_logs: int | None = None,
        stack_trace_limit: int | None = None,
        tags: list[str] | tuple[str, ...] | None = None,
        remove_on_complete: bool | int | Mapping[str, int] | None = None,
        remove_on_fail: bool | int | Mapping[str, int] | None = None,
        start_by: int | None = None,
        deduplication: Mapping[str, Any] | None = None,
        telemetry: Mapping[str, Any] | None = None,
        opts: Mapping[str, Any] | None = None,
    ) -> AddedJob:
        """Add a job; the parameters are the fields of `NewJob`. Retried requests add it once only."""
        new = NewJob(
            name=name,
            data=data,
            attempts=attempts,
            backoff=backoff,
            delay_ms=delay_ms,
            priority=priority,
            lifo=lifo,
            job_id=job_id,
            timeout_ms=timeout_ms,
            keep_logs=keep_logs,
            stack_trace_limit=stack_trace_limit,
            tags=tags,
            remove_on_complete=remove_on_complete,
            remove_on_fail=remove_on_fail,
            start_by=start_by,
            deduplication=deduplication,
            telemetry=telemetry,
            opts=opts or {},
        )
        return self.add_many([new])[0]

    def add_many(self, jobs: Iterable[NewJob]) -> tuple[AddedJob, ...]:
        """Add all jobs or none, in one transaction; return them in order. Retried requests add them once only."""
        body = [_new(job) for job in jobs]
        with tracing.sending(self.name, len(body)) as sent:
            headers = {"Idempotency-Key": str(uuid.uuid4())} | sent.headers
            added: tuple[AddedJob, ...] = self._send("POST", "", body, headers=headers, read=answers.added)
            sent.name(added)
        return added

    # Reading

    def get(self, job_id: str | HasId) -> JobInfo:
        """Return a job. Raises NotFound."""
        return self._send("GET", f"/{quoted(given.job_id(job_id))}", read=JobInfo.of)

    def list(
        self, *, statuses: Iterable[str] = (), start: int = 0, length: int = 10, is_oldest_first: bool = False
    ) -> Page:
        """Return a page of jobs, the last added first. Empty `statuses` mean all; `length` is at most 100.

        If the jobs are too long for one response, several requests are sent; the counts are those of the first.
        """
        query = {"start": start, "length": length, "order": "asc" if is_oldest_first else "desc"}
        first = part = self._send(
            "GET", "", query=query | {"statuses": ",".join(given.listed(statuses)) or "all"}, read=Page.of
        )
        jobs = first.jobs
        while part.next and len(jobs) < length:
            part = self._send("GET", "", query={"cursor": part.next, "length": length - len(jobs)}, read=Page.of)
            jobs += part.jobs
        return dataclasses.replace(first, jobs=jobs, length=length, next=None)

    def jobs(self, **wanted: Unpack[find.Wanted]) -> Iterator[JobInfo]:
        """Find jobs, the last added first: those that have all that is given; see `rowline.find.Wanted`.

        They are requested as they are used. Raises TypeError for an unknown word, and Forbidden for `error` and `data`
        if the token lacks `payload`.
        """
        return find.follow(lambda query: self._send("GET", "", query=query, read=find.Found.of), **wanted)

    def counts(self, *statuses: str) -> dict[str, int]:
        """Return how many jobs there are in each of these statuses; without arguments in each status."""
        return self.list(statuses=statuses, length=0).counts

    def wait(self, job: str | HasId, *, timeout_s: float) -> JobInfo:
        """Wait until a job is completed and return it. The service answers when the job ends.

        Raises JobFailed, NotFound (also if the job is removed meanwhile) and TimeoutError, after which the job goes on.
        Keeps waiting while the service is unavailable.
        """
        job_id = given.job_id(job)
        ends_at, pause_s = time.monotonic() + timeout_s, FIRST_LOOK_S
        while True:
            asked_at = time.monotonic()
            seen = self._look(job_id, max(0.0, ends_at - asked_at))
            if seen and seen.is_finished:
                break
            if time.monotonic() >= ends_at:
                status = seen.status if seen else "unknown: the service is unavailable"
                raise TimeoutError(f"job {job_id!r} has not ended within {timeout_s:g} s; its status is {status}")
            if time.monotonic() - asked_at > LONGEST_LOOK_S:
                pause_s = FIRST_LOOK_S
            time.sleep(max(0.0, min(pause_s, ends_at - time.monotonic())))  # a service may respond before the end
            pause_s = min(LONGEST_LOOK_S, pause_s * 1.5)
        if seen.status == "failed":
            raise JobFailed(seen)
        return seen

    def _look(self, job_id: str, left_s: float) -> JobInfo | None:
        """Read a job when it has ended, or after `left_s` as it is; None if the service is unavailable."""
        wait_ms = int(min(LONGEST_WAIT_MS, left_s * 1000))
        more: dict[str, Any] = {"query": {"wait": wait_ms}, "wait_s": wait_ms / 1000} if wait_ms else {}
        limit_s = max(RESPONSE_S, min(LONGEST_RESPONSE_S, left_s - wait_ms / 1000))
        try:
            return self._send("GET", f"/{quoted(job_id)}", read=JobInfo.of, timeout_s=limit_s, **more)
        except Unavailable as error:
            if error.code == CLOSED:
                raise
            return None

    def logs(self, job_id: str | HasId, *, start: int = 0, length: int = 10) -> Logs:
        """Return log lines of a job, oldest first; `length` is at most 100."""
        return Logs.of(self._past(job_id, "logs", start, length))

    def attempts(self, job_id: str | HasId, *, start: int = 0, length: int = 10) -> tuple[AttemptInfo, ...]:
        """Return attempts of a job, oldest first; `length` is at most 100."""
        return answers.attempts(self._past(job_id, "attempts", start, length))

    def _past(self, job_id: str | HasId, noun: str, start: int, length: int) -> dict[str, Any]:
        """Return entries of the history of a job, from as many responses as necessary."""
        path, query = f"/{quoted(given.job_id(job_id))}/{noun}", {"start": start, "length": length}
        history = part = self._send("GET", path, query=query, read=answers.parts_of(noun))
        while "next" in part and len(history[noun]) < length:
            query = {"start": part["next"], "length": length - len(history[noun])}
            part = self._send("GET", path, query=query, read=answers.parts_of(noun))
            history[noun] += part[noun]
        return history

    # Cancelling

    def cancel(self, job_id: str | HasId) -> JobInfo:
        """Cancel a job: fail it, or, if it is active, ask its worker to stop. Return the job after that.

        Raises NotFound, and Conflict if it has finished. A job that is cancelled already is returned, without an error.
        """
        try:
            return self._send("POST", f"/{quoted(given.job_id(job_id))}/cancel", read=JobInfo.of)
        except Conflict:
            job = self.get(job_id)
            # Without the scope `payload` there is no reason to see, and a service before failedCode has only that.
            why = job.failed_code or ("cancelled" if job.failed_reason == CANCELLED else None)
            if why != "cancelled" or job.status != "failed":
                raise
            return job

    # Managing. Not retried if the response may be lost: Unavailable, `is_outcome_unknown`.

    def remove(self, job_id: str | HasId) -> JobInfo:
        """Remove a job that is not active, with its attempts and its log; return it as it was.

        Raises NotFound, and Conflict if it is active.
        """
        return self._send("DELETE", f"/{quoted(given.job_id(job_id))}", is_repeatable=False, read=JobInfo.of)

    def retry(self, job_id: str | HasId, *, reset_attempts: bool = True, data: Any = None) -> JobInfo:
        """Make a job that has completed or failed ready again, at once; return the job after that.

        Without `reset_attempts` the attempts that were made count still, and one more is allowed at least. `data`: what
        its data are from then on; None leaves them. Raises NotFound, and Conflict if it has not ended.
        """
        body = {"resetAttempts": reset_attempts} | ({} if data is None else {"data": data})
        return self._send("POST", f"/{quoted(given.job_id(job_id))}/retry", body, is_repeatable=False, read=JobInfo.of)

    def promote(self, job_id: str | HasId) -> JobInfo:
        """Make a delayed job ready now; return the job after that.

        Raises NotFound, and Conflict if it is not delayed.
        """
        return self._send("POST", f"/{quoted(given.job_id(job_id))}/promote", is_repeatable=False, read=JobInfo.of)

    def change(
        self,
        job_id: str | HasId,
        *,
        data: Any = None,
        name: str | None = None,
        priority: int | None = None,
        delay_ms: int | None = None,
        lifo: bool | None = None,
        attempts: int | None = None,
        tags: Iterable[str] | None = None,
        token: str | None = None,
    ) -> JobInfo:
        """Change a job that is waiting, prioritized or delayed; None leaves a value as it is. Return it after that.

        Of an active job only `data` can be changed, with the `token` of its attempt. `priority` 0 takes it away;
        `delay_ms` counts from now. Raises NotFound, Conflict, and LeaseLost if the token does not hold the job.
        """
        asked = {"data": data, "name": name, "priority": priority, "delay": delay_ms, "lifo": lifo}
        asked |= {"attempts": attempts, "tags": None if tags is None else given.strings(tags, "tags"), "token": token}
        body = {member: value for member, value in asked.items() if value is not None}
        return self._send("PATCH", f"/{quoted(given.job_id(job_id))}", body, is_repeatable=False, read=JobInfo.of)

    # Working

    def claim(
        self, count: int = 1, *, wait_ms: int = 0, lock_duration_ms: int | None = None, worker: str | None = None
    ) -> tuple[Lease, ...]:
        """Claim up to `count` jobs, in queue order; wait up to `wait_ms` for the first one. May return none.

        Not retried if the response may be lost (Unavailable, `is_outcome_unknown`): jobs that it claimed stall when
        their leases run out. A job whose JSON this Python cannot read is failed here.
        """
        body = _claim(count, lock_duration_ms, worker) | {"wait": wait_ms}
        wait_s = min(wait_ms, LONGEST_WAIT_MS) / 1000
        call = Call(method="POST", path=f"{self._jobs}/claim", body=body, is_repeatable=False, wait_s=wait_s)
        return self._claimed(call, read=lambda _: None)[1]

    def complete(self, lease: Held, returnvalue: Any = None) -> str:
        """Complete an attempt; return the status of the job. Raises LeaseLost."""
        return self._end(lease, "complete", {"returnvalue": returnvalue})

    def fail(
        self,
        lease: Held,
        failed_reason: str,
        *,
        stacktrace: str | None = None,
        unrecoverable: bool = False,
        delay_ms: int | None = None,
    ) -> str:
        """Fail an attempt; return the status of the job: `failed` if it is not retried. Raises LeaseLost.

        `delay_ms`: the wait before the next attempt, if there is one, instead of the backoff's.
        """
        failure = Failure(
            lease=lease,
            failed_reason=failed_reason,
            stacktrace=stacktrace,
            unrecoverable=unrecoverable,
            delay_ms=delay_ms,
        )
        return self._end(lease, "fail", failure.members)

    def release(self, lease: Held, *, delay_ms: int = 0) -> str:
        """Release a job, to its old place or with a delay, without counting an attempt. Raises LeaseLost."""
        return self._end(lease, "release", {"delay": delay_ms})

    def extend(self, lease: Held, *, lock_duration_ms: int | None = None) -> Extended:
        """Extend a lease from now; call this every third of its duration. Raises LeaseLost."""
        length = {} if lock_duration_ms is None else {"lockDuration": lock_duration_ms}
        return self._send("POST", f"/{quoted(lease.id)}/extend", {"token": lease.token} | length, read=Extended.of)

    def finish(
        self,
        endings: Iterable[Completion | Failure],
        *,
        claim: int = 0,
        lock_duration_ms: int | None = None,
        worker: str | None = None,
    ) -> Finished:
        """Settle many attempts, and claim up to `claim` jobs, in one transaction. Lost leases are no error here.

        If the response is lost, the settlements are sent again, which is safe, but not the claim: the jobs of the first
        claim would have no worker.
        """
        body: dict[str, Any] = {"jobs": [ending.json() for ending in endings]}
        read = partial(answers.statuses, count=len(body["jobs"]))
        if not claim:
            return Finished(statuses=self._send("POST", "/finish", body, read=read), leases=())
        wish = {"claim": _claim(claim, lock_duration_ms, worker)}
        try:
            call = Call(method="POST", path=f"{self._jobs}/finish", body=body | wish, is_repeatable=False)
            statuses, leases = self._claimed(call, read=read)
            return Finished(statuses=statuses, leases=leases)
        except Unavailable as error:
            if not error.is_outcome_unknown:
                raise
        return Finished(statuses=self._send("POST", "/finish", body, read=read), leases=())

    def progress(self, lease: Held, progress: Any) -> None:
        """Report the progress of an attempt: a number or an object. Raises LeaseLost."""
        self._report(lease, "progress", progress, is_repeatable=True)

    def log(self, lease: Held, line: str) -> None:
        """Append a line of up to 64 KiB to the log of a job. Not retried if the response is lost. Raises LeaseLost."""
        self._report(lease, "logs", line, is_repeatable=False)

    def _end(self, lease: Held, verb: str, body: dict[str, Any]) -> str:
        return self._send("POST", f"/{quoted(lease.id)}/{verb}", {"token": lease.token} | body, read=answers.status)

    def _claimed(self, call: Call, *, read: Callable[[Any], R]) -> tuple[R, tuple[Lease, ...]]:
        """Send a call that claims; return its response, by `read`, and the leases. Fail jobs that cannot be read."""
        told, leases, unread = self._transport.send(call).read_text(partial(claims.read, read=read))
        for held in unread:
            with contextlib.suppress(RowlineError):  # then its lease runs out
                self.fail(held, f"the job's data cannot be read: {held.why}", unrecoverable=True)
        return told, leases

    def _report(self, lease: Held, noun: str, value: Any, *, is_repeatable: bool) -> None:
        path = f"{self._jobs}/{quoted(lease.id)}/{noun}"
        call = Call(method="POST", path=path, body=value, attempt_token=lease.token, is_repeatable=is_repeatable)
        self._transport.send(call)

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        read: Callable[[Any], R],
        timeout_s: float | None = None,
        **more: Any,
    ) -> R:
        """Send a call below the path of this queue's jobs; return its response, converted by `read`."""
        call = Call(method=method, path=self._jobs + path, body=body, **more)
        return self._transport.send(call, timeout_s=timeout_s).read(read)


def _new(job: NewJob) -> dict[str, Any]:
    if not isinstance(job, NewJob):
        raise TypeError(f"add_many takes a list of rowline.NewJob, not of {type(job).__name__}")
    return job.json()


def _claim(count: int, lock_duration_ms: int | None, worker: str | None) -> dict[str, Any]:
    asked = {"count": count, "lockDuration": lock_duration_ms, "worker": worker}
    return {name: value for name, value in asked.items() if value is not None}
