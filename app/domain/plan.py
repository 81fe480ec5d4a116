"""Plans: many jobs of a queue, written down first and then removed, retried, promoted, cancelled or changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain.job import Change, LockedJob
from app.domain.jobfilter import JobFilter
from app.domain.states import ACTIVE, DELAYED, FINAL, Status

UNFINISHED_MAX = 20
"""Plans of a queue that are not finished, at most."""
APPLYING_MAX = 4
"""Plans of a queue that are applied side by side; the next ones are queued."""
PLANNED_S = 3600
"""A plan that is not applied within so long expires."""
KEPT_S, IDLE_KEPT_S = 86_400, 600
"""A plan, and what undoes it, are kept for so long after it ended; one that did nothing for the second."""
SAMPLE = 10
"""Jobs that a plan shows."""
RATE_MAX = 100_000


class PlanAction(StrEnum):
    """What a plan does to each of its jobs."""

    REMOVE = "remove"
    RETRY = "retry"
    PROMOTE = "promote"
    CANCEL = "cancel"
    CHANGE = "change"
    OBLITERATE = "obliterate"  # with all that the queue sets


ASKED = tuple(action for action in PlanAction if action is not PlanAction.OBLITERATE)
"""What can be planned."""


class PlanStatus(StrEnum):
    """How far a plan is."""

    PLANNING = "planning"  # the matching jobs are written down
    PLANNED = "planned"  # they are
    QUEUED = "queued"  # it is to be applied when others are done
    APPLYING = "applying"
    APPLIED = "applied"
    STOPPED = "stopped"
    UNDOING = "undoing"
    UNDONE = "undone"
    EXPIRED = "expired"  # nobody applied it
    FAILED = "failed"


RUNNING = (PlanStatus.PLANNING, PlanStatus.QUEUED, PlanStatus.APPLYING, PlanStatus.UNDOING)
"""Plans that go on by themselves."""
UNFINISHED = (*RUNNING, PlanStatus.PLANNED)
UNDOABLE = (PlanStatus.APPLIED, PlanStatus.STOPPED, PlanStatus.FAILED)
REVERSIBLE = frozenset({PlanAction.REMOVE, PlanAction.RETRY})
"""What can be undone: the jobs come back as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as stored. Each step of it is a transaction that locks its row, so that any process can go on with it."""

    queue: str
    id: str  # a UUID
    action: PlanAction
    wanted: JobFilter
    change: Change | None
    status: PlanStatus
    is_direct: bool  # it is applied at once: its jobs are not written down first
    most: int | None  # so many jobs at most, the first added
    until: int  # a number: jobs that were added later are not meant
    at: int  # the number of the last job that was looked at
    matched: int
    rate_per_s: float | None
    done: int
    skipped: Mapping[str, int]  # how many, by the code of the reason
    undone: int
    not_undone: int  # their ids were taken by then; of retried ones: they had begun, or were changed, by then
    created_at: datetime
    created_by: str  # the id of an `Actor`
    planned_at: datetime | None
    applied_at: datetime | None
    ended_at: datetime | None
    reason: str | None  # why it failed
    next_at: datetime | None  # when the next step is due, by its rate

    @property
    def is_undoable(self) -> bool:
        """Whether it has removed or retried jobs that can come back.

        So has one that was undone if removed ones could not come back then, or retried ones were passed over: a node of
        a release before looks for none.
        """
        if self.action not in REVERSIBLE or not self.done:
            return False
        if self.status is not PlanStatus.UNDONE:
            return self.status in UNDOABLE
        if self.action is PlanAction.REMOVE:
            return self.not_undone > 0
        return self.undone + self.not_undone < self.done


class RunningPlan(NamedTuple):
    """A plan that goes on by itself."""

    queue: str
    id: str
    status: PlanStatus
    is_direct: bool
    rate_per_s: float | None
    wait_s: float  # until its next step is due, by its rate


NOT_FOUND, NOT_MATCHING = "job_not_found", "job_differs"
"""Why a job is skipped that was written down: it is gone, or it is no longer what was looked for."""
_ALLOWED = {
    PlanAction.REMOVE: frozenset(Status) - ACTIVE,
    PlanAction.RETRY: FINAL,
    PlanAction.PROMOTE: DELAYED,
    PlanAction.CANCEL: frozenset(Status) - FINAL,
    PlanAction.CHANGE: frozenset(Status) - ACTIVE - FINAL,
    PlanAction.OBLITERATE: frozenset(Status),
}


def fault(action: PlanAction, job: LockedJob) -> str | None:
    """Return the code of the error with which the verb of one job would refuse this one; None if it would not."""
    if job.status in _ALLOWED[action]:
        return None
    if action is PlanAction.RETRY:
        return "job_not_finished"
    if action is PlanAction.PROMOTE:
        return "job_not_delayed"
    return "job_active" if job.status in ACTIVE else "job_finished"
