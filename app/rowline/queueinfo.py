"""Values of queues and their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from rowline.given import strings


class Unchanged(Enum):
    """The default of settings: what is not given stays as it is. None would take it away."""

    UNCHANGED = 0


UNCHANGED = Unchanged.UNCHANGED
Kept = bool | int | Mapping[str, int] | None
"""Which finished jobs are kept: True: none; False: all; a number: the newest; {"age": s, "count": n}; None: not set."""


def settings_json(
    remove_on_complete: Kept | Unchanged,
    remove_on_fail: Kept | Unchanged,
    defaults: Mapping[str, Any] | Unchanged | None = UNCHANGED,
    keys: Sequence[str] | Unchanged | None = UNCHANGED,
) -> dict[str, Any]:
    """Return the JSON of the settings that are to be changed."""
    given: dict[str, Any] = {"removeOnComplete": remove_on_complete, "removeOnFail": remove_on_fail}
    listed = keys if keys is None or isinstance(keys, Unchanged) else strings(keys, "keys")
    given |= {"defaults": defaults, "keys": listed}
    return {name: value for name, value in given.items() if value is not UNCHANGED}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key of a queue: a path into the data, by which its jobs are found at once when it is filled."""

    path: str
    status: str  # waiting, filling, settling, filled; after it was taken away before: leaving, clearing
    scanned: int  # jobs that were there before, and have been looked at so far

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the key of a response."""
        return cls(path=members["path"], status=members["status"], scanned=members["scanned"])


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesInfo:
    """What happened in each of the last 60 minutes; the last one is not over."""

    from_: int  # when the first of them began, in ms since the epoch
    added: tuple[int, ...]  # jobs added
    ended: tuple[int, ...]  # jobs that completed or failed

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the minutes of a response."""
        return cls(from_=members["from"], added=tuple(members["added"]), ended=tuple(members["ended"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue as it stands. Times are ms since the epoch."""

    name: str
    counts: dict[str, int]
    is_paused: bool
    paused_on: int | None
    paused_by: str | None  # as in the audit
    pause_reason: str | None
    oldest_ready_on: int | None  # when the job that has been ready longest became so
    next_due_on: int | None  # when the next delayed job is due
    rates: dict[str, dict[str, float]]  # jobs a second: {"1m": {"added", "completed", "failed"}, "5m": …, "15m": …}
    drain_ms: int | None  # how long the ready jobs take at the pace of 5 minutes; None: no job ended in them
    settings: dict[str, Any]  # what it sets itself
    keys: tuple[KeyInfo, ...]  # how far its keys are
    workers: int | None  # seen within a minute, all ways of working; None: the node is of an older release
    claims_in_flight: int  # after a pause: claims that began before it and had not ended after 5 s
    minutes: MinutesInfo | None  # what happened lately, in lists that were asked for it

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the queue of a response. Unknown members are ignored."""
        return cls(
            name=members["name"],
            counts=members["counts"],
            is_paused=members["paused"],
            paused_on=members.get("pausedOn"),
            paused_by=members.get("pausedBy"),
            pause_reason=members.get("pauseReason"),
            oldest_ready_on=members.get("oldestReadyOn"),
            next_due_on=members.get("nextDueOn"),
            rates=members.get("rates", {}),
            drain_ms=members.get("drainMs"),
            settings=members.get("settings", {}),
            keys=tuple(map(KeyInfo.of, members.get("keys", ()))),
            workers=members.get("workers"),
            claims_in_flight=members.get("claimsInFlight", 0),
            minutes=MinutesInfo.of(members["minutes"]) if "minutes" in members else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """Some queues, by name, and how many match."""

    queues: tuple[QueueInfo, ...]
    count: int

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the queues of a response."""
        return cls(queues=tuple(map(QueueInfo.of, members["queues"])), count=members["count"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker of a queue, seen within a minute. `seen_on` is in ms since the epoch."""

    worker: str  # its name, as in `processed_by` of jobs
    way: str  # python, pull or push
    slots: int  # jobs that it can run at a time
    busy: int  # how many of them run a job
    seen_on: int

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the worker of a response. Unknown members are ignored."""
        return cls(
            worker=members["worker"],
            way=members["way"],
            slots=members["slots"],
            busy=members["busy"],
            seen_on=members["seenOn"],
        )

    @classmethod
    def all_of(cls, members: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the workers of a response."""
        return tuple(map(cls.of, members["workers"]))
