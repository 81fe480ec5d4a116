"""The job as a handler sees it."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LINE_MAX = 64 * 1024  # characters kept of a log line, as in app/domain/attempts.py; the rest is not sent
SECONDS_MAX = 2**40  # more than any delay that is kept, and as ms a number that all can read


class Release(Exception):
    """Raised by a handler, it releases the job, to run again after `delay_ms`. No attempt is counted."""

    def __init__(self, delay_ms: int = 0) -> None:
        """Delay the job by `delay_ms`; with 0 it is ready at once, at its old place. Raises ValueError."""
        super().__init__(delay_ms)
        self.delay_ms = whole_ms(delay_ms)


class RetryIn(Exception):
    """Raised by a handler, it fails the attempt with `reason`; the next one, if any is left, begins after `seconds`.

    They are waited instead of the backoff's time.
    """

    def __init__(self, seconds: float, reason: str) -> None:
        """Set the wait, in seconds, and the reason of the failure. Raises ValueError."""
        super().__init__(seconds, reason)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise ValueError("seconds must be a number, 0 or more")
        self.delay_ms, self.reason = round(min(seconds, SECONDS_MAX) * 1000), reason

    def __str__(self) -> str:
        """Return the reason."""
        return str(self.reason)


def whole_ms(delay_ms: object) -> int:
    """Return `delay_ms` if it is a whole number, 0 or more. Raises ValueError."""
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, int) or delay_ms < 0:
        raise ValueError("delay_ms must be a whole number of milliseconds, 0 or more")
    return delay_ms


Release.__module__ = RetryIn.__module__ = "rowline"  # the name that users know them by


@dataclass(slots=True)
class Attempt:
    """Links a handler's job to its worker. The default, as in a test of a handler, sends nothing."""

    send: Callable[[dict[str, Any]], None] = lambda _message: None
    is_cancelled: bool = False
    max_bytes: int = sys.maxsize  # of a result, and of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt of a job. `data` and `opts` are parsed by Python's json."""

    queue: str
    id: str
    name: str
    data: Any
    opts: dict[str, Any]
    priority: int  # 0 = none
    attempt: int  # 1 = the first; grows with every attempt that failed
    timestamp: int  # when it was added, in ms since the epoch
    token: str = field(repr=False)  # unique to this attempt: a fencing token, and the token for progress and logs
    _attempt: Attempt = field(default_factory=Attempt, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled, or its lease is lost: check it now and then, and raise if so."""
        return self._attempt.is_cancelled

    def progress(self, progress: float | Mapping[str, Any]) -> None:
        """Set the job's progress: a number or an object. Raises TypeError for anything else."""
        if isinstance(progress, bool) or not isinstance(progress, int | float | Mapping):
            raise TypeError("progress must be a number or an object")
        said = dict(progress) if isinstance(progress, Mapping) else progress
        text, limit = json.dumps(said, allow_nan=False), self._attempt.max_bytes
        if len(text) > limit:
            self._attempt.send({"refused": f"progress must be at most {limit} bytes, not {len(text)}"})
        else:
            self._attempt.send({"progress": text})

    def log(self, line: str) -> None:
        """Append a line to the job's log; its first 65,536 characters are kept."""
        self._attempt.send({"log": str(line)[:LINE_MAX]})
