"""Jobs over HTTP: for workers that reach the API and not the database.

The worker's loop never waits for jobs here: a thread holds the one claim that waits, and rings when jobs came.
"""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import rowline

from app.domain.job import Completion, Extended, Failure, JsonText, LeaseKey, Release, Taken
from app.infra.settings import Settings
from app.runners.sources import Claimed, Exchanged, ProgressUpdate, SourceUnavailable

_log = logging.getLogger(__name__)
R = TypeVar("R")
CLAIM_MS = 30_000  # how long a claim waits for a job: the longest that the service lets it
TELL_S = 5.0  # the longest that the loop, or the heartbeat, is held up by one call
REST_S = 0.5  # how long to listen, once stopped, for what a claim has brought already
TOLD_S = 10.0  # how often it is logged that the service cannot be reached, while that lasts
DEAD_LEASE_MS = 500  # the shortest lease there is: that of a job whose process died


class HttpSource:
    """Jobs of one queue by claims that wait, told of by `finish`.

    The numbers of keys are this source's own, one a lease: over HTTP a job is known by its id alone.
    """

    def __init__(self, settings: Settings, *, url: str, token: str, queue: str, worker: str) -> None:
        """Prepare. Raises ValueError for an address or a token that cannot be."""
        self._settings, self._worker = settings, worker
        self._told_at = -math.inf  # when trouble was logged, by time.monotonic()
        # A client of its own, to be closed at the drain.
        self._claims = rowline.Rowline(url, token, timeout_s=TELL_S, on_retry=self._log_trouble)
        self._claiming = self._claims.queue(queue)
        self._telling = rowline.Rowline(url, token, timeout_s=TELL_S).queue(queue)
        self._names: dict[int, _Named] = {}
        self._number = 0
        self._changed = threading.Condition()  # guards what follows
        self._wish = 0  # how many jobs to ask for
        self._is_asking = False
        self._came: list[Taken] = []
        self._trouble: rowline.RowlineError | None = None
        self._rest_at: float | None = None  # once stopped: when to listen no longer, by time.monotonic()
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """See that the service would have us. Raises rowline.RowlineError; a service that is away is no fault."""
        try:
            self._claiming.counts("waiting")
        except rowline.Unavailable as error:
            self._log_trouble(error)

    def _log_trouble(self, error: rowline.RowlineError) -> None:
        """Say what cannot be reached: at the first try that fails, for a claim tries on for long; then now and then."""
        if time.monotonic() >= self._told_at + TOLD_S:
            self._told_at = time.monotonic()
            _log.warning("claim_failed", extra={"queue": self._claiming.name, "cause": str(error)})

    def start(self, ring: Callable[[], None]) -> None:
        """Start the thread that claims; it rings whenever it has something to give or nothing to do."""
        self._thread = threading.Thread(target=self._ask, args=(ring,), name="claim", daemon=True)
        self._thread.start()

    def _claimed(self, limit: int) -> Claimed:
        """Return the jobs that came, and have the thread ask for more, unless it waits for an answer already."""
        with self._changed:
            trouble, self._trouble = self._trouble, None
            if trouble:
                raise SourceUnavailable(str(trouble)) from trouble
            came, self._came = self._came, []
            if limit > len(came) and not self._is_asking:
                self._wish = limit - len(came)
                self._changed.notify()
        return Claimed(taken=came, poll_ms=self._settings.poll_ms)

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> Exchanged:
        """Complete all in one call, a result that the service refuses being a failure that says so; else claim."""
        if completions:
            return Exchanged(completed=self._finish(completions), claimed=None)
        return Exchanged(completed=(), claimed=self._claimed(limit))

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """Fail all in one call; the service decides which are tried again, and when."""
        return self._finish(failures)

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Hand back one by one."""
        done = {}
        for release in releases:
            name, delay_ms = self._names[release.lease.number], release.delay_ms
            done[release.lease.number] = _unless_lost(partial(self._telling.release, name, delay_ms=delay_ms))
        return self._told([release.lease for release in releases], [n for n, status in done.items() if status])

    def give_up(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Let the leases run out in a moment: who finds them then counts a stall, as for a worker that died whole."""
        return self._told(held, self._extended(held, DEAD_LEASE_MS))

    def report(self, reports: Sequence[ProgressUpdate]) -> None:
        """Pass on one by one."""
        for said in reports:
            if name := self._names.get(said.key.number):
                _told_of(partial(self._said, name, said))

    def _said(self, name: "_Named", said: ProgressUpdate) -> None:
        if said.progress is not None:
            self._telling.progress(name, json.loads(said.progress))
        if said.line is not None:
            self._telling.log(name, said.line)

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Renew one by one."""
        return self._extended(held, self._settings.lease_ms)

    def stop(self) -> None:
        """Hang up on the claim that waits: the service sees that and takes no job, or has taken some and says so."""
        with self._changed:
            if self._rest_at is not None:
                return
            self._rest_at = time.monotonic() + REST_S
            self._changed.notify()
        self._claims.close()

    @property
    def is_at_rest(self) -> bool:
        """Whether the last claim is over, and what it brought was given."""
        with self._changed:
            is_over = self._thread is None or not self._thread.is_alive() or time.monotonic() > (self._rest_at or 0.0)
            return self._rest_at is not None and is_over and not self._came

    def _ask(self, ring: Callable[[], None]) -> None:
        """Claim, one call after the other, whenever the loop wishes for jobs. The claiming thread."""
        while (count := self._next_wish()) and self._claim(count):
            ring()
        ring()

    def _next_wish(self) -> int:
        """Wait until the loop wishes for jobs, and return how many; 0 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish or self._rest_at is not None)
            if self._rest_at is not None:
                return 0
            self._is_asking = True
            count, self._wish = self._wish, 0
        return count

    def _claim(self, count: int) -> bool:
        """Claim once and keep what came for the loop; say whether to go on."""
        trouble: rowline.RowlineError | None = None
        leases: tuple[rowline.Lease, ...] = ()
        lease_ms = self._settings.lease_ms
        try:
            leases = self._claiming.claim(count, wait_ms=CLAIM_MS, lock_duration_ms=lease_ms, worker=self._worker)
            self._told_at = -math.inf
        except rowline.RowlineError as error:
            trouble = error
        with self._changed:
            self._is_asking = False
            self._came += [self._taken(lease) for lease in leases]
            is_stopped = self._rest_at is not None
            self._trouble = None if is_stopped else trouble
        return not is_stopped

    def _taken(self, lease: rowline.Lease) -> Taken:
        job = lease.job
        self._number += 1
        self._names[self._number] = _Named(id=job.id, token=lease.token)
        return Taken(
            key=LeaseKey(number=self._number, token=lease.token),
            id=job.id,
            name=job.name,
            data=JsonText(json.dumps(job.data)),
            opts=JsonText(json.dumps(job.opts)),
            priority=job.priority,
            attempt=job.attempts_made + 1,
            timestamp=job.timestamp,
            timeout_ms=job.opts.get("timeout"),
            stalled_count=job.stalled_count,
        )

    def _finish(self, endings: Sequence[Completion | Failure]) -> Collection[int]:
        keys = [ending.lease for ending in endings]
        try:
            statuses = self._telling.finish([self._word(ending) for ending in endings]).statuses
        except rowline.InvalidRequest as error:
            return self._refused(endings, str(error))
        except rowline.RowlineError as error:
            raise SourceUnavailable(str(error)) from error
        told = zip(keys, statuses, strict=True)
        return self._told(keys, [key.number for key, status in told if status != "lost"])

    def _refused(self, endings: Sequence[Completion | Failure], why: str) -> Collection[int]:
        """Find out which one the service does not take; make a failure of a result, and let go of a failure."""
        first = endings[0]
        if len(endings) > 1:
            return {number for ending in endings for number in self._finish([ending])}
        if isinstance(first, Completion):
            return self._finish([Failure(lease=first.lease, reason=f"the service refused the handler's result: {why}")])
        return self._told([first.lease], [])

    def _word(self, ending: Completion | Failure) -> rowline.Completion | rowline.Failure:
        name = self._names[ending.lease.number]
        if isinstance(ending, Completion):
            return rowline.Completion(lease=name, returnvalue=json.loads(ending.result))
        return rowline.Failure(
            lease=name, failed_reason=ending.reason, stacktrace=ending.stack, unrecoverable=ending.unrecoverable
        )

    def _extended(self, held: Sequence[LeaseKey], lease_ms: int) -> dict[int, Extended]:
        kept = {}
        for key in held:
            if name := self._names.get(key.number):  # the loop may have ended it while the heartbeat came to it
                extended = _unless_lost(partial(self._telling.extend, name, lock_duration_ms=lease_ms))
                if extended:
                    until = datetime.fromtimestamp(extended.locked_until / 1000, UTC)
                    kept[key.number] = Extended(until=until, is_cancelled=extended.cancelled)
        return kept

    def _told(self, keys: Sequence[LeaseKey], done: Collection[int]) -> Collection[int]:
        """Forget leases that are over; return those for which it was done."""
        for key in keys:
            self._names.pop(key.number, None)
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What names an attempt over HTTP."""

    id: str
    token: str


def _told_of(call: Callable[[], None]) -> None:
    """Report; where the lease is lost, or the service refuses it, it is dropped. Raises SourceUnavailable."""
    try:
        call()
    except (rowline.Unauthorized, rowline.NotFound):
        return
    except rowline.InvalidRequest as error:
        _log.warning("report_refused", extra={"cause": str(error)})
    except rowline.RowlineError as error:
        raise SourceUnavailable(str(error)) from error


def _unless_lost(call: Callable[[], R]) -> R | None:
    """Make a call; None when the lease is lost. Raises SourceUnavailable."""
    try:
        return call()
    except (rowline.LeaseLost, rowline.NotFound):
        return None
    except rowline.RowlineError as error:
        raise SourceUnavailable(str(error)) from error
