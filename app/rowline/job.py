"""The job as a handler sees it."""

from dataclasses import dataclass, field
from typing import Any


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
