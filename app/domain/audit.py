"""The audit: who did what, beside adding and working jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Members = Mapping[str, Any]
"""What an act changed, as JSON. Of data of jobs it has a digest at most, of secrets nothing."""


class ActOutcome(StrEnum):
    """Whether an act was done."""

    DONE = "done"
    REFUSED = "refused"  # the token lacked the scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: `token:<id>`, `env:<nth>` of AUTH_TOKENS, `cli:<account>`, `dispatcher`."""

    id: str
    name: str | None = None  # of the token
    address: str | None = None  # of the client
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act. `action` is a noun and a verb, such as `jobs.cancel`; `target` is the job, the token or the like."""

    action: str
    queue: str | None = None
    target: str | None = None
    affected: int = 1  # how many jobs, tokens or the like
    before: Members | None = None
    after: Members | None = None
    outcome: ActOutcome = ActOutcome.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An act as stored. Entries are numbered in the order in which they were written, with gaps."""

    number: int
    at: datetime
    actor: Actor
    act: Act
