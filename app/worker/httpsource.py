"""A source of jobs over HTTP, for workers that can reach the API but not the database.

A thread makes the long-polling claims, one at a time, and wakes the worker's loop when jobs arrive.
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
from http import HTTPStatus
from typing import TypeVar

import rowline

from app.domain.backoff import LONGEST_MS
from app.domain.job import ClaimedJob, Completion, Extended, Failure, JsonText, LeaseKey, Release
from app.infra.settings import Settings
from app.operations.progress import ProgressUpdate
from app.worker.sources import ClaimedJobs, SourceExchange, SourceUnavailable

_log = logging.getLogger(__name__)
R = TypeVar("R")
ENDED = "the token was revoked or replaced, or it has expired: restart the worker with a valid one"
CLAIM_MS = 30_000  # how long a claim waits for a job: the maximum of the service
CALL_S = 5.0  # the time limit of one call of the loop, or of the heartbeat
STOP_S = 0.5  # how long to wait, once stopped, for jobs that a claim has leased already
DEAD_LEASE_MS = 500  # the minimum length of a lease, for a job whose process died
CLAIM_MAX = 1_000  # the service takes no claim of more
ATTEMPTS_LIMIT = 2**31  # no job has had so many
REFUSED_S = 10.0  # how long a refused token is not sent again: an address may send some wrong ones a minute only
LOGGED_EACH_S = 10.0  # how often it is logged that the service cannot be reached, while that lasts


class HttpSource:
    """The jobs of one queue, claimed by long polls and settled by `finish`.

    The numbers in lease keys are this source's own, one per lease: over HTTP a job has only its id.
    """

    def __init__(self, settings: Settings, *, url: str, token: str, queue: str, worker: str) -> None:
        """Prepare. Raises ValueError for an invalid URL or token."""
        self._settings, self._worker = settings, worker
        self._logged_at = -math.inf  # when a failed try was logged last, by time.monotonic()
        # A separate client, which the drain closes.
        self._claims = rowline.Rowline(url, token, timeout_s=CALL_S, on_retry=self._log_failed_try)
        self._claiming = self._claims.queue(queue)
        self._settling = rowline.Rowline(url, token, timeout_s=CALL_S).queue(queue)
        self._names: dict[int, _Named] = {}
        self._number = 0
        self._changed = threading.Condition()  # guards the attributes below
        self._wish = 0  # how many jobs to ask for
        self._is_asking = False
        self._came: list[ClaimedJob] = []
        self._trouble: SourceUnavailable | None = None
        self._stops_at: float | None = None  # once stopped: when to wait no longer, by time.monotonic()
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Check that the token may work jobs. Raises rowline.RowlineError; a service that is away is only logged."""
        try:
            self._claiming.finish(())
        except rowline.Unavailable as error:
            self._log_failed_try(error)

    def _log_failed_try(self, error: rowline.RowlineError) -> None:
        """Log a failed try, the first one and then one per LOGGED_EACH_S, since a claim retries for long."""
        if time.monotonic() >= self._logged_at + LOGGED_EACH_S:
            self._logged_at = time.monotonic()
            _log.warning("claim_failed", extra={"queue": self._claiming.name, "cause": str(error)})

    def start(self, on_wake: Callable[[], None]) -> None:
        """Start the claiming thread; it calls `on_wake` whenever jobs have arrived or it is idle."""
        self._thread = threading.Thread(target=self._ask, args=(on_wake,), name="claim", daemon=True)
        self._thread.start()

    def _claimed(self, limit: int) -> ClaimedJobs:
        """Return the jobs that have arrived; have the thread claim more, unless a claim is running already."""
        with self._changed:
            trouble, self._trouble = self._trouble, None
            if trouble:
                raise trouble
            came, self._came = self._came, []
            if limit > len(came) and not self._is_asking:
                self._wish = min(limit - len(came), CLAIM_MAX)
                self._changed.notify()
        return ClaimedJobs(taken=came, poll_ms=self._settings.poll_ms)

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> SourceExchange:
        """Complete all in one call, or claim if there are none. A result that the service rejects fails its attempt."""
        if completions:
            return SourceExchange(completed=self._finish(completions), claimed=None)
        return SourceExchange(completed=(), claimed=self._claimed(limit))

    def fail(self, failures: Sequence[Failure]) -> Collection[int]:
        """Fail all in one call; the service decides which are retried, and when."""
        return self._finish(failures)

    def release(self, releases: Sequence[Release]) -> Collection[int]:
        """Release them one by one."""
        done = {}
        for release in releases:
            name, delay_ms = self._names[release.lease.number], release.delay_ms
            done[release.lease.number] = _unless_lost(partial(self._settling.release, name, delay_ms=delay_ms))
        return self._forget([release.lease for release in releases], [n for n, status in done.items() if status])

    def expire(self, held: Sequence[LeaseKey]) -> Collection[int]:
        """Shorten the leases to the minimum: when they run out, the maintainer recovers the jobs as stalled."""
        return self._forget(held, self._extended(held, DEAD_LEASE_MS))

    def send_progress(self, updates: Sequence[ProgressUpdate]) -> None:
        """Send them one by one."""
        for update in updates:
            if name := self._names.get(update.lease.number):
                _send(partial(self._send_update, name, update))

    def _send_update(self, name: "_Named", update: ProgressUpdate) -> None:
        if update.progress is not None:
            self._settling.progress(name, json.loads(update.progress))
        if update.line is not None:
            self._settling.log(name, update.line)

    def extend(self, held: Sequence[LeaseKey]) -> dict[int, Extended]:
        """Extend them one by one."""
        return self._extended(held, self._settings.lease_ms)

    def stop(self) -> None:
        """Close the connection of the waiting claim: the service then leases nothing, or its response still arrives."""
        with self._changed:
            if self._stops_at is not None:
                return
            self._stops_at = time.monotonic() + STOP_S
            self._changed.notify()
        self._claims.close()

    @property
    def is_stopped(self) -> bool:
        """Whether the last claim is over, and its jobs were returned."""
        with self._changed:
            is_over = self._thread is None or not self._thread.is_alive() or time.monotonic() > (self._stops_at or 0.0)
            return self._stops_at is not None and is_over and not self._came

    def _ask(self, on_wake: Callable[[], None]) -> None:
        """Claim, one call after the other, whenever the loop wants jobs. Runs in the claiming thread."""
        while (count := self._next_wish()) and self._claim(count):
            on_wake()
        on_wake()

    def _next_wish(self) -> int:
        """Wait until the loop wants jobs; return how many, 0 after `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish or self._stops_at is not None)
            if self._stops_at is not None:
                return 0
            self._is_asking = True
            count, self._wish = self._wish, 0
        return count

    def _claim(self, count: int) -> bool:
        """Claim once and keep the jobs for the loop; return whether to go on.

        No error may end the thread: the worker would go on, and claim nothing. The leases of what cannot be read run
        out.
        """
        trouble: SourceUnavailable | None = None
        came: list[ClaimedJob] = []
        lease_ms = self._settings.lease_ms
        try:
            leases = self._claiming.claim(count, wait_ms=CLAIM_MS, lock_duration_ms=lease_ms, worker=self._worker)
            came = [self._taken(lease) for lease in leases]
            self._logged_at = -math.inf
        except rowline.RowlineError as error:
            trouble = _unavailable(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next claim may succeed
            _log.exception("claim_failed", extra={"queue": self._claiming.name})
            trouble = SourceUnavailable(f"{type(error).__name__}: {error}")
        with self._changed:
            self._is_asking = False
            self._came += came
            has_stopped = self._stops_at is not None
            self._trouble = None if has_stopped else trouble
        return not has_stopped

    def _taken(self, lease: rowline.Lease) -> ClaimedJob:
        job, timeout_ms = lease.job, lease.job.opts.get("timeout")
        job.name.encode()  # half a character would end the worker where it is handed on
        if not (timeout_ms is None or (type(timeout_ms) is int and 0 < timeout_ms <= LONGEST_MS)):
            raise ValueError(f"a job has a timeout of {timeout_ms!r:.100}")
        if not 0 <= job.attempts_made < ATTEMPTS_LIMIT:
            raise ValueError(f"a job has had {job.attempts_made!r:.100} attempts")
        self._number += 1
        self._names[self._number] = _Named(id=job.id, token=lease.token)
        return ClaimedJob(
            key=LeaseKey(number=self._number, token=lease.token),
            id=job.id,
            name=job.name,
            data=JsonText(json.dumps(job.data)),
            opts=JsonText(json.dumps(job.opts)),
            priority=job.priority,
            attempt=job.attempts_made + 1,
            timestamp=job.timestamp,
            timeout_ms=timeout_ms,
            stalled_count=job.stalled_count,
        )

    def _finish(self, endings: Sequence[Completion | Failure]) -> Collection[int]:
        keys = [ending.lease for ending in endings]
        try:
            statuses = self._settling.finish([self._as_sent(ending) for ending in endings]).statuses
        except rowline.InvalidRequest as error:
            return self._refused(endings, str(error))
        except rowline.RowlineError as error:
            raise _unavailable(error) from error
        settled = zip(keys, statuses, strict=True)
        return self._forget(keys, [key.number for key, status in settled if status != "lost"])

    def _refused(self, endings: Sequence[Completion | Failure], why: str) -> Collection[int]:
        """Find the one that the service rejects, one by one: fail the attempt of a result, and drop a failure."""
        first = endings[0]
        if len(endings) > 1:
            return {number for ending in endings for number in self._finish([ending])}
        if isinstance(first, Completion):
            return self._finish([Failure(lease=first.lease, reason=f"the service refused the handler's result: {why}")])
        return self._forget([first.lease], [])

    def _as_sent(self, ending: Completion | Failure) -> rowline.Completion | rowline.Failure:
        name = self._names[ending.lease.number]
        if isinstance(ending, Completion):
            return rowline.Completion(lease=name, returnvalue=json.loads(ending.result))
        return rowline.Failure(
            lease=name,
            failed_reason=ending.reason,
            stacktrace=ending.stack,
            unrecoverable=ending.unrecoverable,
            delay_ms=ending.delay_ms,
        )

    def _extended(self, held: Sequence[LeaseKey], lease_ms: int) -> dict[int, Extended]:
        kept = {}
        for key in held:
            if name := self._names.get(key.number):  # None if the loop has settled it since the heartbeat began
                extended = _unless_lost(partial(self._settling.extend, name, lock_duration_ms=lease_ms))
                if extended:
                    until = datetime.fromtimestamp(extended.locked_until / 1000, UTC)
                    kept[key.number] = Extended(until=until, is_cancelled=extended.cancelled)
        return kept

    def _forget(self, keys: Sequence[LeaseKey], done: Collection[int]) -> Collection[int]:
        """Forget leases that are over; return `done`."""
        for key in keys:
            self._names.pop(key.number, None)
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An attempt as it is named over HTTP."""

    id: str
    token: str


def _unavailable(error: rowline.RowlineError) -> SourceUnavailable:
    """Return the error for the loop, which says what ends it if the token is refused."""
    if isinstance(error, rowline.Forbidden) or error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return SourceUnavailable(str(error), retry_s=REFUSED_S)
    if isinstance(error, rowline.Unauthorized):
        return SourceUnavailable(f"{error}; {ENDED}", retry_s=REFUSED_S)
    return SourceUnavailable(str(error))


def _send(call: Callable[[], None]) -> None:
    """Send progress or a log line; drop it if the lease is lost or the service rejects it. Raises SourceUnavailable."""
    try:
        call()
    except (rowline.Unauthorized, rowline.NotFound):
        return
    except rowline.InvalidRequest as error:
        _log.warning("report_refused", extra={"cause": str(error)})
    except rowline.RowlineError as error:
        raise _unavailable(error) from error


def _unless_lost(call: Callable[[], R]) -> R | None:
    """Make a call; return None if the lease is lost. Raises SourceUnavailable."""
    try:
        return call()
    except (rowline.LeaseLost, rowline.NotFound):
        return None
    except rowline.RowlineError as error:
        raise _unavailable(error) from error
