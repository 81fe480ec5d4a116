"""The state machine of a job, as data. SQL implements it, and a test walks every status x event against a database."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The status of a job. The API and the table use the same words."""

    WAITING = "waiting"
    PRIORITIZED = "prioritized"
    DELAYED = "delayed"
    ACTIVE = "active"
    WAITING_CHILDREN = "waiting-children"
    COMPLETED = "completed"
    FAILED = "failed"


NOWHERE: frozenset[Status] = frozenset()
READY = frozenset({Status.WAITING, Status.PRIORITIZED})  # without a priority, with one
DELAYED = frozenset({Status.DELAYED})
ACTIVE = frozenset({Status.ACTIVE})
COMPLETED = frozenset({Status.COMPLETED})
FAILED = frozenset({Status.FAILED})
FINAL = COMPLETED | FAILED


@dataclass(frozen=True, slots=True)
class Rule:
    """One event: the statuses it leaves and the statuses it may enter."""

    leaves: frozenset[Status]
    enters: frozenset[Status]


TRANSITIONS = {
    "insert": Rule(NOWHERE, READY | DELAYED),
    "promote": Rule(DELAYED, READY),
    "claim": Rule(READY, ACTIVE),
    "extend": Rule(ACTIVE, ACTIVE),
    "complete": Rule(ACTIVE, COMPLETED),
    "fail": Rule(ACTIVE, FAILED),
    "retry_later": Rule(ACTIVE, DELAYED | READY),
    "release": Rule(ACTIVE, READY | DELAYED | FAILED),
    "expire": Rule(ACTIVE, ACTIVE),
    "recover_stalled": Rule(ACTIVE, READY | FAILED),
    "cancel": Rule(READY | DELAYED, FAILED),
    "fail_unstarted": Rule(READY | DELAYED, FAILED),
    "request_cancel": Rule(ACTIVE, ACTIVE),
    "complete_and_remove": Rule(ACTIVE, NOWHERE),
    "sweep": Rule(FINAL, NOWHERE),
    "retry": Rule(FINAL, READY),
    "undo_retry": Rule(READY | DELAYED, FINAL),
    "promote_now": Rule(DELAYED, READY),
    "change": Rule(READY | DELAYED, READY | DELAYED),
    "change_data": Rule(ACTIVE, ACTIVE),
    "remove_job": Rule(READY | DELAYED | FINAL, NOWHERE),
    "remove_active": Rule(ACTIVE, NOWHERE),
    "remove_by_plan": Rule(READY | DELAYED | FINAL, NOWHERE),
    "restore": Rule(NOWHERE, READY | DELAYED | FINAL),
}
"""Event -> rule. No event enters waiting-children yet: flows will. Each event is one file below app/store/sql."""
