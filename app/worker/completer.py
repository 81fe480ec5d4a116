"""Collects outcomes, progress and log lines of attempts, and settles them in batches, with retries."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from app.domain import attempts
from app.domain.backoff import LONGEST_MS
from app.domain.job import ClaimedJob, Completion, Failure, JsonText, LeaseKey, Release
from app.domain.jsontext import UnstorableJson
from app.infra.settings import Settings
from app.operations.progress import ProgressUpdate
from app.wire import jsonreader
from app.worker.heartbeats import HeldLeases
from app.worker.sources import ClaimedJobs, Source, SourceUnavailable

_log = logging.getLogger(__name__)
BATCH = 500  # attempts settled in one transaction
UPDATES_MAX = 1_000  # progress updates that are kept before handlers are slowed down
UPDATES_BYTES = 16 * 2**20  # the same in bytes
BATCH_BYTES = 4 * 2**20  # of results, reasons, stacks or progress updates in one transaction
OUTCOMES_BYTES = 64 * 2**20  # of results, reasons and stacks that wait: more than settling is ever behind for a moment


class Completer:
    """Outcomes of attempts on one queue, settled in batches."""

    def __init__(self, settings: Settings, source: Source, held: HeldLeases) -> None:
        """Settle to `source`; leases that are settled or lost are removed from `held`."""
        self._settings, self._source, self._held = settings, source, held
        self._completions: list[Completion] = []
        self._failures: list[Failure] = []
        self._released: list[Release] = []
        self._dead: list[LeaseKey] = []
        self._updates: list[ProgressUpdate] = []
        self._bytes = 0  # of the completions and failures
        self._batch = BATCH
        self._updates_batch = BATCH

    def __len__(self) -> int:
        """How many outcomes and progress updates are not settled yet."""
        bad = len(self._failures) + len(self._released) + len(self._dead)
        return len(self._completions) + bad + len(self._updates)

    @property
    def are_final(self) -> bool:
        """Whether no outcome left can make a job ready again: then the next claim need not wait for them."""
        return not (self._failures or self._released or self._dead)

    def add(self, taken: ClaimedJob, outcome: dict[str, Any]) -> None:
        """Add the outcome of an attempt, from a handler process or from a call to an endpoint."""
        if "release" in outcome:
            self._released.append(Release(lease=taken.key, delay_ms=min(outcome["release"], LONGEST_MS)))
            return
        if "result" in outcome:
            self.complete(taken, outcome["result"])
            return
        self._fail(
            Failure(
                lease=taken.key,
                reason=attempts.clean_reason(outcome["reason"]),
                stack=outcome["stack"] and attempts.clean_stack(outcome["stack"]),
                unrecoverable=outcome["unrecoverable"],
                delay_ms=min(outcome["delay"], LONGEST_MS) if "delay" in outcome else None,
                least_delay_ms=outcome.get("leastDelayMs", 0),
            )
        )

    def complete(self, taken: ClaimedJob, result: str) -> None:
        """Add a completed attempt with its result as JSON text; a result that cannot be stored makes it a failure."""
        try:
            self._completions.append(Completion(taken.key, self._storable(result)))
            self._bytes += len(result)
        except UnstorableJson as error:
            reason = attempts.clean_reason(f"the handler's result {error}")
            self._fail(Failure(lease=taken.key, reason=reason))

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        self._bytes += _size(failure)

    def add_progress(self, taken: ClaimedJob, message: dict[str, Any]) -> None:
        """Add progress or a log line of a running attempt. New progress replaces progress that is not sent yet."""
        if "refused" in message:
            _log.warning("report_refused", extra={"cause": message["refused"]})
            return
        if "log" in message:
            self._updates.append(ProgressUpdate(lease=taken.key, line=attempts.clean_line(message["log"])))
            return
        try:
            progress = self._storable(message["progress"])
        except UnstorableJson as error:
            _log.warning("report_refused", extra={"cause": f"progress {error}"})
            return
        self._updates = [update for update in self._updates if update.line is not None or update.lease != taken.key]
        self._updates.append(ProgressUpdate(lease=taken.key, progress=progress))

    @property
    def may_grow(self) -> bool:
        """Whether the outcomes that wait are below their limit. If not, nothing is claimed."""
        return self._bytes < OUTCOMES_BYTES

    @property
    def is_full(self) -> bool:
        """Whether handlers must wait before they send more outcomes, progress or log lines."""
        if not self.may_grow or len(self._updates) >= UPDATES_MAX:
            return True
        return sum(map(_size, self._updates)) >= UPDATES_BYTES

    def time_out(self, taken: ClaimedJob) -> None:
        """Add an attempt that exceeded its timeout and was killed."""
        assert taken.timeout_ms is not None
        self._fail(attempts.timed_out(taken.key, taken.timeout_ms))

    def _storable(self, result: str) -> JsonText:
        limit = self._settings.max_data_bytes
        if len(result) > limit:
            raise UnstorableJson(f"must be at most {limit} bytes, not {len(result)}")
        return jsonreader.whole(result.encode())

    def release(self, jobs: Iterable[ClaimedJob]) -> None:
        """Add jobs to release: they have not begun, or this worker's stop ended them."""
        self._released += [Release(lease=job.key) for job in jobs]

    def expire(self, jobs: Sequence[ClaimedJob]) -> None:
        """Add jobs that have stalled, because the process that ran them died."""
        self._dead += [job.key for job in jobs]

    def settle(self) -> None:
        """Settle everything, in batches. What fails is kept for the next call. Raises SourceUnavailable.

        An error while one kind of outcome is settled does not stop the others.
        """
        self.exchange(limit=0)

    def exchange(self, *, limit: int) -> ClaimedJobs | None:
        """Settle as `settle` does, and claim up to `limit` jobs with the last batch. None: no claim was made.

        After an error nothing is claimed. Outcomes added during the call are left for the next one, since no progress
        may be sent after its attempt has ended. Not reentrant.
        """
        source = self._source
        completions = len(self._completions)
        failures, released, dead = len(self._failures), len(self._released), len(self._dead)
        troubles = [
            self._send_updates(),
            self._settle_kind(self._failures, failures, source.fail, _lease),
            self._settle_kind(self._released, released, source.release, _lease),
            self._settle_kind(self._dead, dead, source.expire, _identity),
        ]
        claimed = self._settle_completions(completions, 0 if any(troubles) else limit)
        for trouble in troubles:
            if trouble:
                raise trouble
        return claimed

    def _settle_completions(self, count: int, limit: int) -> ClaimedJobs | None:
        while True:
            batch = _take_batch(self._completions, min(count, self._batch))
            count -= len(batch)
            is_last = not count
            try:
                exchanged = self._source.exchange(batch, limit=limit if is_last else 0)
            except SourceUnavailable:
                self._shrink(self._completions)
                raise
            if exchanged.unknown:  # they stay, behind those that are settled
                unsure = [ending for ending in batch if ending.lease.number in exchanged.unknown]
                batch = [ending for ending in batch if ending.lease.number not in exchanged.unknown]
                self._completions[: len(batch) + len(unsure)] = batch + unsure
            self._remove(self._completions, [ending.lease for ending in batch], exchanged.completed)
            if is_last:
                return exchanged.claimed

    def _send_updates(self) -> SourceUnavailable | None:
        """Send progress and log lines, before their attempts are settled. After an error the next batch is smaller."""
        count = len(self._updates)
        while count > 0 and self._updates:  # newer progress may have replaced some of them meanwhile
            batch = _take_batch(self._updates, min(count, self._updates_batch))
            count -= len(batch)
            del self._updates[: len(batch)]  # so that new progress of the same attempt replaces none that is being sent
            try:
                self._source.send_progress(batch)
            except SourceUnavailable as error:
                self._updates_batch = max(1, self._updates_batch // 8)
                self._put_back(batch)
                self._updates.sort(key=lambda update: update.lease == batch[0].lease)  # other attempts first; stable
                return error
            self._updates_batch = min(BATCH, self._updates_batch * 2)
        return None

    def _put_back(self, batch: Sequence[ProgressUpdate]) -> None:
        """Keep what could not be sent, but progress for which newer progress of the same attempt waits."""
        newer = {update.lease for update in self._updates if update.line is None}
        self._updates[:0] = [update for update in batch if update.line is not None or update.lease not in newer]

    def _settle_kind(
        self,
        endings: list[Any],
        count: int,
        send: Callable[[list[Any]], Collection[int]],
        lease: Callable[[Any], LeaseKey],
    ) -> SourceUnavailable | None:
        """Settle the first `count` of one kind. After an error the next batch is smaller, to isolate a locked row."""
        while count:
            batch = _take_batch(endings, min(count, self._batch))
            count -= len(batch)
            try:
                settled = send(batch)
            except SourceUnavailable as error:
                self._shrink(endings)
                return error
            self._remove(endings, [lease(ending) for ending in batch], settled)
        return None

    def _shrink(self, endings: list[Any]) -> None:
        """After an error make the next batch smaller, and begin it with the next outcome."""
        self._batch = max(1, self._batch // 8)
        endings[:] = [*endings[1:], *endings[:1]]

    def _remove(self, endings: list[Any], keys: list[LeaseKey], settled: Collection[int]) -> None:
        """Remove the first outcomes, those of `keys`; leases that are not in `settled` were lost."""
        self._batch = min(BATCH, self._batch * 2)
        self._bytes -= sum(map(_size, endings[: len(keys)]))
        del endings[: len(keys)]
        if len(settled) < len(keys):
            self._held.lose(key for key in keys if key.number not in settled)
        self._held.drop(keys)


def _lease(ending: Completion | Failure | Release) -> LeaseKey:
    return ending.lease


def _identity(key: LeaseKey) -> LeaseKey:
    return key


def _size(said: Completion | Failure | ProgressUpdate | Release | LeaseKey) -> int:
    """Return about how many bytes it adds to a statement."""
    if isinstance(said, Completion):
        return len(said.result)
    if isinstance(said, Failure):
        return len(said.reason) + len(said.stack or "")
    if isinstance(said, ProgressUpdate):
        return len(said.line or said.progress or "")
    return 0


def _take_batch(endings: list[Any], limit: int) -> list[Any]:
    """Return the first outcomes as one batch: at most `limit`, and at most BATCH_BYTES, but at least one."""
    size = 0
    for count, ending in enumerate(endings[:limit]):
        size += len(ending.result) if isinstance(ending, Completion) else _size(ending)
        if count and size > BATCH_BYTES:
            return endings[:count]
    return endings[:limit]
