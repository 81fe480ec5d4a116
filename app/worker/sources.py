"""The source that a worker claims from and settles to: the database, or the API over HTTP (`httpsource`)."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from app.domain.job import ClaimedJob, Completion, Extended, Failure, LeaseKey, Release
from app.domain.scan import ScanCursor
from app.infra.settings import Settings
from app.operations import claim, exchange, progress, settle
from app.operations.progress import ProgressUpdate
from app.postgres.database import Database, DatabaseError

RETRY_S = 0.5  # the pause after an error of the source


class SourceUnavailable(Exception):
    """A call to the source failed for now. Whether it took effect may be unknown: repeat it, which is safe."""

    def __init__(self, cause: str, *, retry_s: float = RETRY_S) -> None:
        """Say why. After an error that repeating it soon will not change, wait for `retry_s` seconds first."""
        super().__init__(cause)
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJobs:
    """The result of a claim. `next_claim_ms`: ms until the next claim at the latest, None if the source does not know.

    `poll_ms`: the same if `next_claim_ms` is None.
    """

    taken: list[ClaimedJob]
    next_claim_ms: int | None = None
    poll_ms: int

    @property
    def pause_s(self) -> float:
        """The seconds to wait before the next claim, after one that found fewer jobs than asked for."""
        return claim.pause_s(self.next_claim_ms, poll_ms=self.poll_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceExchange:
    """The numbers of the completed jobs, and the result of the claim; None if none was made: exchange again.

    `unknown`: the numbers of jobs of which it is unknown whether they are completed: complete them again.
    """

    completed: Collection[int]
    claimed: ClaimedJobs | None
    unknown: Collection[int] = ()


class Source(Protocol):
    """The interface of a source. Every method except `start` and `stop` may raise SourceUnavailable.

    Methods that settle or extend return the numbers of the keys for which they took effect; a missing one had lost its
    lease. Two threads may call them at once: the loop and the heartbeat.
    """

    def start(self, on_wake: Callable[[], None]) -> None:
        """Call `on_wake`, from any thread, whenever there may be a job to claim."""

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> SourceExchange:
        """Complete attempts, and claim up to `limit` jobs, in queue order. Does not wait for jobs.

        A source that claims in a thread returns what has arrived since the last call, whatever `limit` is now.
        """

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """Fail attempts; the source decides whether they are retried."""

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Release jobs, without counting an attempt."""

    def expire(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Have these jobs recovered as stalled soon, because the process that ran them is known to be dead."""

    def send_progress(self, updates: Sequence[ProgressUpdate]) -> None:
        """Store progress and log lines, in their order; those of lost leases are dropped."""

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Extend leases."""

    def stop(self) -> None:
        """Claim no more. `exchange` still returns jobs that were claimed before, until `is_stopped`."""

    @property
    def is_stopped(self) -> bool:
        """Whether, after `stop`, no more jobs can arrive."""


class DatabaseSource:
    """A source on the database."""

    def __init__(self, settings: Settings, db: Database, *, queue: str, worker: str) -> None:
        """Prepare. `worker` is stored on jobs as `processedBy`."""
        self._settings, self._db, self._queue, self._worker = settings, db, queue, worker
        self._random = Random()  # noqa: S311 - jitter is no secret
        self.cursor = ScanCursor()

    def start(self, on_wake: Callable[[], None]) -> None:
        """Call `on_wake` at each NOTIFY of the queue, and when NOTIFYs no longer arrive."""
        self._db.listen(self._queue, on_wake)
        self._db.wakeups.on_loss(on_wake)

    def _poll_ms(self) -> int:
        return self._db.wakeups.poll_ms(self._settings.poll_ms)

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> SourceExchange:
        """Complete and claim in one transaction; with nothing to do, no statement is sent."""
        if not completions and not limit:
            return SourceExchange(completed=(), claimed=ClaimedJobs(taken=[], poll_ms=self._poll_ms()))
        ask = claim.Ask(limit=limit, lease_ms=self._settings.lease_ms, worker=self._worker) if limit else None
        with _unavailable():
            done = exchange.exchange(self._db, queue=self._queue, completions=completions, ask=ask, cursor=self.cursor)
        claimed = ClaimedJobs(taken=done.taken, next_claim_ms=done.next_due_ms, poll_ms=self._poll_ms())
        return SourceExchange(completed=done.completed, claimed=claimed, unknown=done.unknown)

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """Fail all in one transaction."""
        with _unavailable():
            return settle.fail(self._db, queue=self._queue, failures=failures, random=self._random)

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Release all in one transaction."""
        with _unavailable():
            return settle.release(self._db, queue=self._queue, releases=releases)

    def expire(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Recover them as stalled at once."""
        limit = self._settings.max_stalled_count
        with _unavailable():
            return settle.recover_dead(self._db, queue=self._queue, held=held, max_stalled_count=limit)

    def send_progress(self, updates: Sequence[ProgressUpdate]) -> None:
        """Store all in one transaction."""
        with _unavailable():
            progress.store(self._db, queue=self._queue, updates=updates)

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Extend all in one statement."""
        with _unavailable():
            return settle.extend(self._db, queue=self._queue, held=held, lease_ms=self._settings.lease_ms)

    def stop(self) -> None:
        """Do nothing: jobs arrive only by `exchange`."""

    @property
    def is_stopped(self) -> bool:
        """Always: no claim runs in the background."""
        return True


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Raise database errors of the block as SourceUnavailable."""
    try:
        yield
    except DatabaseError as error:
        raise SourceUnavailable(str(error)) from error
