"""What a worker has to tell about attempts: kept until it could be told."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from app.domain import attempts
from app.domain.backoff import LONGEST_MS
from app.domain.job import Completion, Failure, JsonText, LeaseKey, Release, Taken
from app.domain.jsontext import UnstorableJson
from app.infra.settings import Settings
from app.runners.leases import Held
from app.runners.sources import Claimed, ProgressUpdate, Source, SourceUnavailable
from app.wire import jsonreader

_log = logging.getLogger(__name__)
BATCH = 500  # endings in one transaction
REPORTS_MAX = 1_000  # that wait to be passed on
REPORTS_BYTES = 16 * 2**20
BATCH_BYTES = 4 * 2**20  # of results, reasons, stacks or reports in one transaction


class Completer:
    """Outcomes of attempts on one queue, settled in batches."""

    def __init__(self, settings: Settings, source: Source, held: Held) -> None:
        """Have nothing to tell yet."""
        self._settings, self._source, self._held = settings, source, held
        self._completions: list[Completion] = []
        self._failures: list[Failure] = []
        self._released: list[Release] = []
        self._dead: list[LeaseKey] = []
        self._reports: list[ProgressUpdate] = []
        self._batch = BATCH
        self._reports_batch = BATCH

    def __len__(self) -> int:
        """How much is left to tell."""
        bad = len(self._failures) + len(self._released) + len(self._dead)
        return len(self._completions) + bad + len(self._reports)

    @property
    def are_final(self) -> bool:
        """Whether nothing is left to tell by which a job may join the line again; for the rest no claim need wait."""
        return not (self._failures or self._released or self._dead)

    def add(self, taken: Taken, outcome: dict[str, Any]) -> None:
        """Note what a handler process said of an attempt, or what a call to an endpoint came to."""
        if "release" in outcome:
            self._released.append(Release(lease=taken.key, delay_ms=min(outcome["release"], LONGEST_MS)))
            return
        if "result" in outcome:
            self.complete(taken, outcome["result"])
            return
        self._failures.append(
            Failure(
                lease=taken.key,
                reason=attempts.clean_reason(outcome["reason"]),
                stack=outcome["stack"] and attempts.clean_stack(outcome["stack"]),
                unrecoverable=outcome["unrecoverable"],
                least_delay_ms=outcome.get("leastDelayMs", 0),
            )
        )

    def complete(self, taken: Taken, result: str) -> None:
        """Note that an attempt went well, and what came of it: JSON, which need not be fit to be kept."""
        try:
            self._completions.append(Completion(taken.key, self._storable(result)))
        except UnstorableJson as error:
            reason = attempts.clean_reason(f"the handler's result {error}")
            self._failures.append(Failure(lease=taken.key, reason=reason))

    def report(self, taken: Taken, said: dict[str, Any]) -> None:
        """Note what a handler process said of an attempt that runs. Of how far it is, the last word counts."""
        if "refused" in said:
            _log.warning("report_refused", extra={"cause": said["refused"]})
            return
        if "log" in said:
            self._reports.append(ProgressUpdate(key=taken.key, line=attempts.clean_line(said["log"])))
            return
        try:
            progress = self._storable(said["progress"])
        except UnstorableJson as error:
            _log.warning("report_refused", extra={"cause": f"progress {error}"})
            return
        self._reports = [report for report in self._reports if report.line is not None or report.key != taken.key]
        self._reports.append(ProgressUpdate(key=taken.key, progress=progress))

    @property
    def is_full(self) -> bool:
        """Whether handlers should wait with what else they have to say."""
        return len(self._reports) >= REPORTS_MAX or sum(map(_size, self._reports)) >= REPORTS_BYTES

    def time_out(self, taken: Taken) -> None:
        """Note that an attempt ran for too long, and was ended."""
        assert taken.timeout_ms is not None
        self._failures.append(attempts.timed_out(taken.key, taken.timeout_ms))

    def _storable(self, result: str) -> JsonText:
        limit = self._settings.max_data_bytes
        if len(result) > limit:
            raise UnstorableJson(f"must be at most {limit} bytes, not {len(result)}")
        return jsonreader.whole(result.encode())

    def release(self, jobs: Iterable[Taken]) -> None:
        """Note that jobs were not begun, or were ended by our own stop: they go back unharmed."""
        self._released += [Release(lease=job.key) for job in jobs]

    def give_up(self, jobs: Sequence[Taken]) -> None:
        """Note that the process which ran these jobs died of itself: they have stalled."""
        self._dead += [job.key for job in jobs]

    def settle(self) -> None:
        """Tell the source, in batches. What could not be told stays. Raises SourceUnavailable.

        Trouble with one kind keeps none of the others from being told.
        """
        self.exchange(limit=0)

    def exchange(self, *, limit: int) -> Claimed | None:
        """Tell all as `settle` does, and claim with the last of it. None: there was no claim; do it again.

        While there is trouble nothing is claimed. What is noted while this waits for the source is for the next time:
        no report may come after the end of its attempt. Not to be called meanwhile.
        """
        source = self._source
        completions = len(self._completions)
        failures, released, dead = len(self._failures), len(self._released), len(self._dead)
        troubles = [
            self._tell_reports(),
            self._tell(self._failures, failures, source.fail, _lease),
            self._tell(self._released, released, source.release, _lease),
            self._tell(self._dead, dead, source.give_up, _itself),
        ]
        claimed = self._tell_completions(completions, 0 if any(troubles) else limit)
        for trouble in troubles:
            if trouble:
                raise trouble
        return claimed

    def _tell_completions(self, count: int, limit: int) -> Claimed | None:
        while True:
            batch = _cut(self._completions, min(count, self._batch))
            count -= len(batch)
            is_last = not count
            try:
                exchanged = self._source.exchange(batch, limit=limit if is_last else 0)
            except SourceUnavailable:
                self._shrink(self._completions)
                raise
            if exchanged.unknown:  # they stay, behind those that are told
                unsure = [ending for ending in batch if ending.lease.number in exchanged.unknown]
                batch = [ending for ending in batch if ending.lease.number not in exchanged.unknown]
                self._completions[: len(batch) + len(unsure)] = batch + unsure
            self._told(self._completions, [ending.lease for ending in batch], exchanged.completed)
            if is_last:
                return exchanged.claimed

    def _tell_reports(self) -> SourceUnavailable | None:
        """Pass on what handlers said, before their attempts end. After trouble a batch is smaller, as of endings."""
        count = len(self._reports)
        while count > 0:
            batch = _cut(self._reports, min(count, self._reports_batch))
            count -= len(batch)
            del self._reports[: len(batch)]  # so that what is said meanwhile of the same attempt replaces none of them
            try:
                self._source.report(batch)
            except SourceUnavailable as error:
                self._reports_batch = max(1, self._reports_batch // 8)
                self._reports[:0] = batch
                self._reports.sort(key=lambda report: report.key == batch[0].key)  # others first, each in its order
                return error
            self._reports_batch = min(BATCH, self._reports_batch * 2)
        return None

    def _tell(
        self,
        endings: list[Any],
        count: int,
        tell: Callable[[list[Any]], Collection[int]],
        lease: Callable[[Any], LeaseKey],
    ) -> SourceUnavailable | None:
        """Tell the first ones of a kind. After trouble a batch is smaller, so that one locked row stops only itself."""
        while count:
            batch = _cut(endings, min(count, self._batch))
            count -= len(batch)
            try:
                settled = tell(batch)
            except SourceUnavailable as error:
                self._shrink(endings)
                return error
            self._told(endings, [lease(ending) for ending in batch], settled)
        return None

    def _shrink(self, endings: list[Any]) -> None:
        """After trouble tell less at once, and others first."""
        self._batch = max(1, self._batch // 8)
        endings[:] = [*endings[1:], *endings[:1]]

    def _told(self, endings: list[Any], keys: list[LeaseKey], settled: Collection[int]) -> None:
        """Let go of the first endings, of these leases; those that are not settled were lost."""
        self._batch = min(BATCH, self._batch * 2)
        del endings[: len(keys)]
        if len(settled) < len(keys):
            self._held.lose(key for key in keys if key.number not in settled)
        self._held.drop(keys)


def _lease(ending: Completion | Failure | Release) -> LeaseKey:
    return ending.lease


def _itself(key: LeaseKey) -> LeaseKey:
    return key


def _size(said: Failure | ProgressUpdate | Release | LeaseKey) -> int:
    """Return about how many bytes it brings into a statement."""
    if isinstance(said, Failure):
        return len(said.reason) + len(said.stack or "")
    if isinstance(said, ProgressUpdate):
        return len(said.line or said.progress or "")
    return 0


def _cut(endings: list[Any], most: int) -> list[Any]:
    """Return the first endings that make one batch: at most `most`, and not more bytes than a statement can take."""
    size = 0
    for count, ending in enumerate(endings[:most]):
        size += len(ending.result) if isinstance(ending, Completion) else _size(ending)
        if count and size > BATCH_BYTES:
            return endings[:count]
    return endings[:most]
