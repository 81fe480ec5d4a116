"""The job as a handler sees it."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LINE_MAX = 64 * 1024  # characters kept of a line; as in app/domain/attempts.py, for what is cut here is not sent


class Release(Exception):
    """Raised by a handler, it hands the job back to run again in `delay_ms`. No attempt is counted."""

    def __init__(self, delay_ms: int = 0) -> None:
        """Wait so long; with 0 the job is back in its place at once."""
        super().__init__(delay_ms)
        self.delay_ms = whole_ms(delay_ms)


def whole_ms(delay_ms: object) -> int:
    """Return a delay if it is one. Raises ValueError."""
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, int) or delay_ms < 0:
        raise ValueError("delay_ms must be a whole number of milliseconds, 0 or more")
    return delay_ms


Release.__module__ = "rowline"  # the name that users know it by


@dataclass(slots=True)
class Attempt:
    """What links a handler's job to its worker; a job without one, as in a test of a handler, reports to nobody."""

    send: Callable[[dict[str, Any]], None] = lambda _message: None
    is_cancelled: bool = False
    max_bytes: int = sys.maxsize  # of a result, and of a progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at a job. `data` and `opts` are as Python's json reads what the client sent."""

    queue: str
    id: str
    name: str
    data: Any
    opts: dict[str, Any]
    priority: int  # 0 = none
    attempt: int  # 1 = the first run, growing with every ended attempt
    timestamp: int  # when it was added, ms since the epoch
    token: str = field(repr=False)  # of this attempt alone: fences its effects, and opens progress and logs
    _attempt: Attempt = field(default_factory=Attempt, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants the job to stop, or its lease is lost: look now and then, and give up if so."""
        return self._attempt.is_cancelled

    def progress(self, progress: float | Mapping[str, Any]) -> None:
        """Say how far the job is: a number or an object. Raises TypeError for anything else."""
        if isinstance(progress, bool) or not isinstance(progress, int | float | Mapping):
            raise TypeError("progress is a number or an object")
        said = dict(progress) if isinstance(progress, Mapping) else progress
        text, limit = json.dumps(said, allow_nan=False), self._attempt.max_bytes
        if len(text) > limit:
            self._attempt.send({"refused": f"progress must be at most {limit} bytes, not {len(text)}"})
        else:
            self._attempt.send({"progress": text})

    def log(self, line: str) -> None:
        """Add a line to the job's log; 65,536 characters of it are kept."""
        self._attempt.send({"log": str(line)[:LINE_MAX]})
