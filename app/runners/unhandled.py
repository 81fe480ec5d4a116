"""Jobs whose name none of the handlers is for: another worker, of a newer release, may have one that is."""

import logging
import time
from typing import Any

from app.domain.job import Taken

_log = logging.getLogger(__name__)
PAUSE_MS = 1_000  # before such a job is offered again, at least
A_SECOND = 100  # such jobs are offered about so often by one worker, however many there are
KNOWN_MAX = 100_000
NAMES_MAX = 100


class Unhandled:
    """Since when one worker has handed which jobs back. Of its loop's thread alone."""

    def __init__(self, *, queue: str, patience_ms: int) -> None:
        """Know none yet. From the first time on a job is handed back for `patience_ms`."""
        self._queue, self._patience_ms = queue, patience_ms
        self._since: dict[tuple[str, int], float] = {}  # by the job, the oldest first, by time.monotonic()
        self._names: set[str] = set()  # that were logged

    def judge(self, job: Taken, cause: str) -> dict[str, Any]:
        """Say what becomes of the attempt, as `Completer.add` takes it: a release, or a failure for this `cause`."""
        now = time.monotonic()
        self._tell(job.name, cause)
        this = (job.id, job.timestamp)  # a number is another with each claim over HTTP
        left_ms = self._patience_ms - int((now - self._first_seen(this, now)) * 1000)
        if left_ms <= 0:
            self._since.pop(this, None)
            return {"reason": cause, "stack": None, "unrecoverable": False}
        return {"release": min(left_ms, max(PAUSE_MS, len(self._since) * 1000 // A_SECOND))}

    def _first_seen(self, this: tuple[str, int], now: float) -> float:
        """Return when it came first. Among too many it is not noted until there is room, which those make that fail."""
        if since := self._since.get(this):
            return since
        if len(self._since) >= KNOWN_MAX:
            oldest = next(iter(self._since))
            if now - self._since[oldest] < 2 * self._patience_ms / 1000:
                return now
            del self._since[oldest]  # another worker had a handler for it
        return self._since.setdefault(this, now)

    def _tell(self, name: str, cause: str) -> None:
        if name not in self._names:
            _log.warning("job_unhandled", extra={"queue": self._queue, "cause": cause})
            self._names = {name} if len(self._names) >= NAMES_MAX else self._names | {name}
