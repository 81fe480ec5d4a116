"""What a queue does, in memory: the service is compared with it, step by step."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

READY = {"waiting", "prioritized"}
OVER = {"completed", "failed"}
CANCELLED = "job cancelled"
UNSTARTED = "not started in time"
OK = 200
SERVICE: dict[str, Any] = {"priority": 0, "lifo": False, "attempts": 1, "delay": 0}
"""What holds for a job without these options in a queue without defaults."""


@dataclass
class ModelJob:
    """A job as the model has it."""

    id: str
    status: str
    priority: int
    lifo: bool
    attempts: int
    place: int  # among the jobs of its priority: the least comes first
    attempts_made: int = 0
    attempts_started: int = 0
    is_cancelled: bool = False
    token: str | None = None
    failed_reason: str | None = None
    result: Any = None
    goes: bool = False  # whether it is removed when it completes
    goes_bad: bool = False  # the same when it fails
    is_late: bool = False  # whether it has to start by a time that is over
    delay: int = 0  # by its options, not by what it waits now
    sent: dict[str, Any] = field(default_factory=dict)  # the options that it was sent with
    name: str = "n"
    tags: tuple[str, ...] = ()
    customer: int = 1  # in its data
    nth: int = 0  # in the order in which jobs were added
    moved_at: int = 0  # when somebody retried or promoted it last

    def seen(self) -> dict[str, Any]:
        """Return the members of JobJson that are compared."""
        found = {
            "id": self.id,
            "status": self.status,
            "priority": self.priority,
            "attemptsMade": self.attempts_made,
            "attemptsStarted": self.attempts_started,
        }
        if self.failed_reason is not None:
            found["failedReason"] = self.failed_reason
        if self.status == "completed":
            found["result"] = self.result
        meant = SERVICE | self.sent
        found["effective"] = {name: value for name in meant if (value := getattr(self, name)) != meant[name]} or None
        return found


Retried = tuple[ModelJob, int]
"""A job as it was before a plan retried it, and when that was."""


@dataclass
class Model:
    """A queue. Time is a counter: what happens later gets a higher number."""

    jobs: dict[str, ModelJob] = field(default_factory=dict)
    is_paused: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)
    now: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add(self, job_id: str, sent: dict[str, Any], **kind: Any) -> None:
        """Add a job with some options; for the others the defaults hold. `kind`: its name, whether it `goes`, …"""
        values = SERVICE | self.defaults | sent
        job = ModelJob(job_id, "delayed", place=0, sent=sent, nth=next(self._numbers), **kind, **values)
        self.jobs[job_id] = job
        if not job.delay:
            self._line_up(job)

    def claim(self, count: int) -> list[str]:
        """Return the ids of the jobs that a claim hands out, in order."""
        ready = [job for job in self.jobs.values() if job.status in READY and not (self.is_paused or job.is_late)]
        taken = sorted(ready, key=lambda job: (job.priority, job.place))[:count]
        for job in taken:
            job.status = "active"
            job.attempts_started += 1
        return [job.id for job in taken]

    def active(self) -> list[ModelJob]:
        """Return the jobs that run."""
        return [job for job in self.jobs.values() if job.status == "active"]

    def complete(self, job: ModelJob, result: Any) -> str:
        """Complete an attempt; return the status of the job."""
        job.status, job.result, job.attempts_made = "completed", result, job.attempts_made + 1
        if job.goes:
            del self.jobs[job.id]
        return job.status

    def fail(self, job: ModelJob, reason: str, *, is_unrecoverable: bool) -> str:
        """Fail an attempt; return the status of the job."""
        job.attempts_made += 1
        job.failed_reason = reason
        if is_unrecoverable or job.is_cancelled or job.attempts_made >= job.attempts:
            self._fail(job, reason)
        else:
            self._line_up(job)
        return job.status

    def release(self, job: ModelJob) -> str:
        """Give a job back to its old place; return its status."""
        if job.is_cancelled:
            self._fail(job, CANCELLED)
        else:
            job.status = "prioritized" if job.priority else "waiting"
        return job.status

    def cancel(self, job_id: str) -> int:
        """Cancel a job; return the HTTP status."""
        job = self.jobs.get(job_id)
        if job is None:
            return 404
        if job.status in OVER:
            return 409
        job.is_cancelled = True
        if job.status != "active":
            self._fail(job, CANCELLED)
        return 200

    def remove(self, job_id: str) -> int:
        """Remove a job; return the HTTP status."""
        job = self.jobs.get(job_id)
        if job is None:
            return 404
        if job.status == "active":
            return 409
        del self.jobs[job_id]
        return 200

    def clear(self, statuses: Collection[str], *, limit: int = 0) -> list[ModelJob]:
        """Remove jobs in some statuses, the first added, `limit` at most; 0: all. Return them."""
        removed = [job for job in self.jobs.values() if job.status in statuses][: limit or None]
        for job in removed:
            del self.jobs[job.id]
        return removed

    def restore(self, removed: Collection[ModelJob]) -> None:
        """Put removed jobs back, as they were."""
        jobs = [*self.jobs.values(), *removed]
        self.jobs = {job.id: job for job in sorted(jobs, key=lambda job: job.nth)}

    def plan(self, action: str, statuses: Collection[str]) -> tuple[int, int]:
        """Do something to all jobs in some statuses, the first added first; return how many, and to how many."""
        verbs = {"retry": lambda each: self.retry(each, resets=True), "promote": self.promote, "cancel": self.cancel}
        meant = [job.id for job in self.jobs.values() if job.status in statuses]
        return len(meant), sum(verbs[action](job_id) == OK for job_id in meant)

    def undo(self, retried: Collection[Retried]) -> int:
        """Undo a retry; return how many jobs are as they were."""
        undone = 0
        for before, moved_at in retried:
            job = self.jobs.get(before.id)
            if job is None or job.nth != before.nth or job.attempts_started != before.attempts_started:
                continue
            if job.status == "delayed" or (job.status in READY and job.moved_at == moved_at):
                for name in ("status", "attempts_made", "failed_reason", "result", "is_cancelled", "is_late"):
                    setattr(job, name, getattr(before, name))
                undone += 1
        return undone

    def fail_unstarted(self) -> int:
        """Fail the jobs that should have started; return how many."""
        late = [job for job in self.jobs.values() if job.is_late and job.status in READY | {"delayed"}]
        for job in late:
            self._fail(job, UNSTARTED)
        return len(late)

    def retry(self, job_id: str, *, resets: bool) -> int:
        """Retry a job that has ended; return the HTTP status."""
        job = self.jobs.get(job_id)
        if job is None:
            return 404
        if job.status not in OVER:
            return 409
        job.failed_reason = job.result = None
        job.is_cancelled = job.is_late = False
        if resets:
            job.attempts_made = 0
        else:
            job.attempts = max(job.attempts, job.attempts_made + 1)
        self._line_up(job)
        job.moved_at = self.now
        return 200

    def promote(self, job_id: str) -> int:
        """Make a delayed job ready; return the HTTP status."""
        job = self.jobs.get(job_id)
        if job is None:
            return 404
        if job.status != "delayed":
            return 409
        job.delay = 0
        self._line_up(job)
        job.moved_at = self.now
        return 200

    def change(self, job_id: str, *, priority: int | None, lifo: bool | None, delay: int, customer: int | None) -> int:
        """Change a job that has not begun; return the HTTP status."""
        job = self.jobs.get(job_id)
        if job is None:
            return 404
        if job.status == "active" or job.status in OVER:
            return 409
        job.priority = job.priority if priority is None else priority
        job.lifo = job.lifo if lifo is None else lifo
        job.customer = job.customer if customer is None else customer
        if delay:
            job.status, job.delay = "delayed", delay
        elif job.status != "delayed" and (priority is not None or lifo is not None):
            self._line_up(job)
        return 200

    def find(self, *, tags: Collection[str] = (), **values: Any) -> list[str]:
        """Return the ids of the jobs with all these tags and these values, None for any, in the order of adding."""
        return [
            job.id
            for job in self.jobs.values()
            if set(tags) <= set(job.tags) and all(value in {None, getattr(job, of)} for of, value in values.items())
        ]

    def counts(self) -> dict[str, int]:
        """Return how many jobs there are in each status."""
        statuses = ("waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed")
        return {status: sum(job.status == status for job in self.jobs.values()) for status in statuses}

    def _fail(self, job: ModelJob, reason: str) -> None:
        """Have a job fail for good."""
        job.status, job.failed_reason = "failed", reason
        if job.goes_bad:
            del self.jobs[job.id]

    def _line_up(self, job: ModelJob) -> None:
        """Join the line as the latest comer."""
        self.now += 1
        job.status = "prioritized" if job.priority else "waiting"
        job.place = -self.now if job.lifo else self.now
