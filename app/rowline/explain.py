"""Why a job or a queue stands where it does, and how many workers a queue needs. Times are ms since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, see the page explain.md for the codes."""

    code: str
    text: str
    since: int | None
    by: str | None  # a person or token as in the audit, a worker, a program
    until: int | None
    hint: str | None  # what to do
    failed_reason: str | None  # of the failure that it tells of; None also without the scope `payload`

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the reason of a response. Unknown members are ignored."""
        return cls(
            code=members["code"],
            text=members["text"],
            since=members.get("since"),
            by=members.get("by"),
            until=members.get("until"),
            hint=members.get("hint"),
            failed_reason=members.get("failedReason"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job or a queue stands where it does, at one moment. `str()` of it is the sentence."""

    status: str  # of a job; of a queue: blocked, working, waiting or idle
    sentence: str  # for people: the reasons, and what to do
    reasons: tuple[Reason, ...]  # the one that blocks first is the first
    ahead: int | None  # jobs that would be claimed before it; of a queue: before a job that is added now
    is_ahead_exact: bool  # whether these were counted; else it is an estimate
    start_p50: int | None  # when it is likely to begin; None: it is not known
    start_p90: int | None  # in nine of ten cases it begins before this
    as_of: int  # by the database's clock

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the explanation of a response. Unknown members are ignored."""
        ahead, start = members.get("ahead", {}), members.get("start", {})
        return cls(
            status=members["status"],
            sentence=members["sentence"],
            reasons=tuple(map(Reason.of, members["reasons"])),
            ahead=ahead.get("jobs"),
            is_ahead_exact=ahead.get("isExact", False),
            start_p50=start.get("p50"),
            start_p90=start.get("p90"),
            as_of=members["asOf"],
        )

    def __str__(self) -> str:
        """Return the sentence."""
        return self.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many workers a queue needs, and what that follows from."""

    wanted: int
    ready: int
    active: int
    due_soon: int  # delayed jobs that are due within the target
    oldest_ready_s: float | None  # None: no job is ready
    arrival_per_s: float  # jobs added, in the last 5 full minutes
    service_per_s: float  # jobs ended, in the last 5 full minutes
    drain_s: float | None  # how long the ready jobs take at that pace; None: none ended
    workers: int  # seen within a minute

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the numbers of a response. Unknown members are ignored."""
        return cls(
            wanted=members["wanted"],
            ready=members["ready"],
            active=members["active"],
            due_soon=members["dueSoon"],
            oldest_ready_s=members.get("oldestReadyS"),
            arrival_per_s=members["arrivalPerS"],
            service_per_s=members["servicePerS"],
            drain_s=members.get("drainS"),
            workers=members["workers"],
        )
