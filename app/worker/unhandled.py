"""Jobs without a handler for their name: they are released for a while, since a newer worker may have one."""

import logging
import time
from typing import Any

from app.domain.job import ClaimedJob

_log = logging.getLogger(__name__)
PAUSE_MS = 1_000  # the minimum delay of a release
RECLAIMS_PER_S = 100  # about how many such jobs a second a worker claims again, however many there are
KNOWN_MAX = 100_000
NAMES_MAX = 100


class Unhandled:
    """The jobs that one worker has released for want of a handler, and since when. Not thread-safe."""

    def __init__(self, *, queue: str, patience_ms: int) -> None:
        """Start without jobs. A job is released again and again until `patience_ms` after the first time."""
        self._queue, self._patience_ms = queue, patience_ms
        self._since: dict[tuple[str, int], float] = {}  # by the job, the oldest first, by time.monotonic()
        self._names: set[str] = set()  # that were logged

    def judge(self, job: ClaimedJob, cause: str) -> dict[str, Any]:
        """Return the outcome of the attempt, as `Completer.add` takes it: a release, or a failure with this `cause`."""
        now = time.monotonic()
        self._log_once(job.name, cause)
        this = (job.id, job.timestamp)  # over HTTP a job's number is another one with each claim
        left_ms = self._patience_ms - int((now - self._first_seen(this, now)) * 1000)
        if left_ms <= 0:
            self._since.pop(this, None)
            return {"reason": cause, "stack": None, "unrecoverable": False}
        return {"release": min(left_ms, max(PAUSE_MS, len(self._since) * 1000 // RECLAIMS_PER_S))}

    def _first_seen(self, this: tuple[str, int], now: float) -> float:
        """Return when the job was first seen. If too many are known, it is not added until others have failed."""
        if since := self._since.get(this):
            return since
        if len(self._since) >= KNOWN_MAX:
            oldest = next(iter(self._since))
            if now - self._since[oldest] < 2 * self._patience_ms / 1000:
                return now
            del self._since[oldest]  # another worker had a handler for it
        return self._since.setdefault(this, now)

    def _log_once(self, name: str, cause: str) -> None:
        if name not in self._names:
            _log.warning("job_unhandled", extra={"queue": self._queue, "cause": cause})
            self._names = {name} if len(self._names) >= NAMES_MAX else self._names | {name}
