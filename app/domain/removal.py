"""Removing many jobs of a queue at once: drain, clean, obliterate. Each is a plan that is applied at once."""

from dataclasses import dataclass

from app.domain.audit import Members
from app.domain.jobfilter import JobFilter
from app.domain.plan import PlanAction
from app.domain.states import ACTIVE, FINAL, Status

CLEANABLE = (Status.COMPLETED, Status.FAILED, Status.WAITING, Status.PRIORITIZED, Status.DELAYED)
GRACE_MAX_MS = 10 * 366 * 24 * 3_600_000
MOST_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Which jobs of a queue are removed: of those that were there at the call, those in `statuses`."""

    verb: str
    options: Members  # as in the API
    statuses: tuple[Status, ...]
    grace_ms: int = 0  # those that ended, or were added, at least so long ago
    most: int | None = None  # so many at most, the first added
    action: PlanAction = PlanAction.REMOVE

    @property
    def spares_active(self) -> bool:
        """Whether active jobs are not removed."""
        return not ACTIVE & {*self.statuses}

    def wanted(self, *, now_ms: int) -> JobFilter:
        """Return the filter of the jobs, if the call is at `now_ms`."""
        until = now_ms - self.grace_ms + 1 if self.grace_ms else None
        if {*self.statuses} <= FINAL:
            return JobFilter(statuses=self.statuses, finished_until_ms=until)
        return JobFilter(statuses=self.statuses, until_ms=until)


def drain(*, delayed: bool = False) -> Removal:
    """Return the removal of the jobs that are ready, and of those that are delayed."""
    statuses = (Status.WAITING, Status.PRIORITIZED, *(Status.DELAYED,) * delayed)
    return Removal(verb="drain", options={"delayed": delayed}, statuses=statuses)


def clean(*, status: Status, grace_ms: int, limit: int = 0) -> Removal:
    """Return the removal of the jobs in `status`, one of CLEANABLE, `limit` at most; 0: all."""
    options = {"status": status.value, "grace": grace_ms, "limit": limit}
    return Removal(verb="clean", options=options, statuses=(status,), grace_ms=grace_ms, most=limit or None)


def obliterate(*, force: bool = False) -> Removal:
    """Return the removal of all jobs, of active ones only by `force`, and of what the queue sets."""
    statuses = tuple(status for status in Status if force or status not in ACTIVE)
    return Removal(verb="obliterate", options={"force": force}, statuses=statuses, action=PlanAction.OBLITERATE)
