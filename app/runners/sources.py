"""Where a worker's jobs come from, and where it tells what came of them: the database, or the API over HTTP."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from app.domain.job import Completion, Extended, Failure, JsonText, LeaseKey, Release, Taken
from app.domain.scan import ScanCursor
from app.infra.database import Database, DatabaseError
from app.infra.settings import Settings
from app.operations import claim, exchange, report, settle

RETRY_S = 0.5  # the pause after trouble with the source


class SourceUnavailable(Exception):
    """The source could not be asked or told, for now. Whether something was told may be unknown: tell it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUpdate:
    """What a handler says of a job that runs: how far it is, or a line for its log."""

    key: LeaseKey
    progress: JsonText | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a claim brought. `next_due_ms`: when to claim again at the latest, as far as the source knows.

    `poll_ms`: the same, where nothing happens that is known of.
    """

    taken: list[Taken]
    next_due_ms: int | None = None
    poll_ms: int

    @property
    def pause_s(self) -> float:
        """How long to wait for the next claim when there was less to claim than was asked for."""
        return claim.pause_s(self.next_due_ms, poll_ms=self.poll_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What was completed, by number; and what a claim brought, None if there was none: exchange again.

    `unknown`: of which jobs that could not be said, though jobs were claimed; tell them again.
    """

    completed: Collection[int]
    claimed: Claimed | None
    unknown: Collection[int] = ()


class Source(Protocol):
    """What the worker asks of either. Every method but `start` and `stop` may raise SourceUnavailable.

    Those that settle or extend return the numbers of the keys for which it was done; one that is missing had lost its
    lease. They may be called by two threads at once: the loop, and the heartbeat.
    """

    def start(self, ring: Callable[[], None]) -> None:
        """Call `ring`, from any thread, whenever there may be something to claim."""

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> Exchanged:
        """End attempts well, and take up to `limit` jobs, next ones first. Never waits for jobs to come.

        A source that waits elsewhere gives here what came since it was asked before, whatever `limit` is now.
        """

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """End attempts badly: whether they are tried again is not the worker's choice."""

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Hand jobs back unharmed."""

    def give_up(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Have these jobs taken for stalled soon, because the process that ran them is known to be dead."""

    def report(self, reports: Sequence[ProgressUpdate]) -> None:
        """Pass on what handlers say, in its order; what comes of a lost lease is dropped."""

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Renew leases."""

    def stop(self) -> None:
        """Take no more from now on. What was on its way is still given by `claim`, until `is_at_rest`."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more can come that was not claimed just now."""


class DatabaseSource:
    """Jobs straight from the database."""

    def __init__(self, settings: Settings, db: Database, *, queue: str, worker: str) -> None:
        """Prepare. `worker` is the name that jobs will carry as `processedBy`."""
        self._settings, self._db, self._queue, self._worker = settings, db, queue, worker
        self._random = Random()  # noqa: S311 - jitter is no secret
        self.cursor = ScanCursor()

    def start(self, ring: Callable[[], None]) -> None:
        """Ring when PostgreSQL notifies of the queue, and when its notifications are not heard any more."""
        self._db.listen(self._queue, ring)
        self._db.wakeups.on_loss(ring)

    def _poll_ms(self) -> int:
        return self._db.wakeups.poll_ms(self._settings.poll_ms)

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> Exchanged:
        """Do both in one transaction; with nothing to do the database is not asked."""
        if not completions and not limit:
            return Exchanged(completed=(), claimed=Claimed(taken=[], poll_ms=self._poll_ms()))
        ask = claim.Ask(limit=limit, lease_ms=self._settings.lease_ms, worker=self._worker) if limit else None
        with _away():
            done = exchange.exchange(self._db, queue=self._queue, completions=completions, ask=ask, cursor=self.cursor)
        claimed = Claimed(taken=done.taken, next_due_ms=done.next_due_ms, poll_ms=self._poll_ms())
        return Exchanged(completed=done.completed, claimed=claimed, unknown=done.unknown)

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """Fail all in one transaction."""
        with _away():
            return settle.fail(self._db, queue=self._queue, failures=failures, random=self._random)

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Release all in one transaction."""
        with _away():
            return settle.release(self._db, queue=self._queue, releases=releases)

    def give_up(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Have them stalled at once."""
        most = self._settings.max_stalled_count
        with _away():
            return settle.give_up(self._db, queue=self._queue, held=held, max_stalled_count=most)

    def report(self, reports: Sequence[ProgressUpdate]) -> None:
        """Write all in one transaction."""
        told = [report.ProgressUpdate(lease=said.key, progress=said.progress, line=said.line) for said in reports]
        with _away():
            report.tell(self._db, queue=self._queue, told=told)

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Renew all in one statement."""
        with _away():
            return settle.extend(self._db, queue=self._queue, held=held, lease_ms=self._settings.lease_ms)

    def stop(self) -> None:
        """Do nothing: nothing comes but by `claim`."""

    @property
    def is_at_rest(self) -> bool:
        """Always: nothing is ever on its way."""
        return True


@contextlib.contextmanager
def _away() -> Iterator[None]:
    """Say trouble with the database as trouble with the source."""
    try:
        yield
    except DatabaseError as error:
        raise SourceUnavailable(str(error)) from error
