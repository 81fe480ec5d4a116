"""Removing many jobs of a queue: drain, clean, obliterate."""

from dataclasses import dataclass
from typing import NamedTuple

from app.domain.audit import Members
from app.domain.states import Status

CLEANABLE = (Status.COMPLETED, Status.FAILED, Status.WAITING, Status.PRIORITIZED, Status.DELAYED)
GRACE_MAX_MS = 10 * 366 * 24 * 3_600_000
MOST_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Which jobs of a queue are removed: of those that were there at the call, those in `statuses`, in this order."""

    verb: str
    options: Members  # as in the API
    statuses: tuple[Status, ...]
    grace_ms: int | None = None  # those that ended, or were added, at least so long ago
    most: int | None = None  # so many at most
    is_of_queue: bool = False  # with all that the queue sets, behind a pause


class Position(NamedTuple):
    """How far a removal got: behind the job `after` of its nth status, of the jobs up to the number `until`."""

    until: int
    nth: int = 0
    after: int = 0
    removed: int = 0  # so far


class Removed(NamedTuple):
    """How many jobs a call removed, and where the next one goes on; None: all are removed."""

    removed: int
    left: Position | None


def drain(*, delayed: bool = False) -> Removal:
    """Return the removal of the jobs that are ready, and of those that are delayed."""
    statuses = (Status.DELAYED,) * delayed + (Status.WAITING, Status.PRIORITIZED)  # in which a due job moves
    return Removal(verb="drain", options={"delayed": delayed}, statuses=statuses)


def clean(*, status: Status, grace_ms: int, limit: int = 0) -> Removal:
    """Return the removal of the jobs in `status`, one of CLEANABLE, `limit` at most; 0: all."""
    options = {"status": status.value, "grace": grace_ms, "limit": limit}
    return Removal(verb="clean", options=options, statuses=(status,), grace_ms=grace_ms or None, most=limit or None)


def obliterate(*, force: bool = False) -> Removal:
    """Return the removal of all jobs, of active ones only by `force`, and of what the queue sets."""
    active = (Status.ACTIVE,) * force  # first: they end in the other statuses
    statuses = (*active, Status.DELAYED, Status.WAITING, Status.PRIORITIZED, Status.FAILED, Status.COMPLETED)
    return Removal(verb="obliterate", options={"force": force}, statuses=statuses, is_of_queue=True)
