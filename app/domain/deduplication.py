"""Deduplication: which job holds an id, and what becomes of another job with the same id."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain.states import ACTIVE, DELAYED, Status

ID_MAX = 255  # characters


class InsertOutcome(StrEnum):
    """What became of a job of a request."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # its custom id exists; the existing job is unchanged
    DEDUPLICATED = "deduplicated"  # another job holds its deduplication id; nothing is stored
    REPLACED = "replaced"  # it took the place of the delayed job that held the id, which was removed
    STORED = "stored"  # it is kept, to be added when the active job that holds the id has ended


ADDED = frozenset({InsertOutcome.CREATED, InsertOutcome.REPLACED})
"""The outcomes after which the job of the request is in the queue."""


class Deduplication(NamedTuple):
    """The option of a job: the id, and how long and in which way it is held."""

    id: str
    ttl_ms: int | None = None  # the window in ms, whatever becomes of the holder; None: until it has ended
    extends: bool = False  # each repetition begins the window anew
    replaces: bool = False  # takes the place of a holder that is delayed
    keeps_last: bool = False  # while the holder is active, the last repetition is stored, to follow it; no window

    @property
    def window_ms(self) -> int | None:
        """How long the id is held from now on; None: until its holder has ended."""
        return None if self.keeps_last else self.ttl_ms


class Holder(NamedTuple):
    """The job that holds an id, or held it last."""

    number: int
    job_id: str
    status: Status | None  # while it lives; None once it has ended or gone
    expires_at: datetime | None = None  # the end of its window; None: it has none
    is_open: bool = False  # whether that is to come
    has_stored: bool = False  # whether a job is stored to follow it; False also where that was not read

    @property
    def holds(self) -> bool:
        """Whether the id is taken. A window alone decides, if there is one."""
        return self.is_open if self.expires_at is not None else self.status is not None


class Fate(NamedTuple):
    """What becomes of a job, and whether the window of its id begins anew."""

    outcome: InsertOutcome
    moves_window: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be written."""
        return self == _NOTHING


_NOTHING = Fate(InsertOutcome.DEDUPLICATED)


def fate(asked: Deduplication, holder: Holder | None) -> Fate:
    """Return what becomes of a job whose id `holder` holds, or held; None: nobody does."""
    if holder is None or not holder.holds:
        return Fate(InsertOutcome.CREATED, moves_window=True)
    extends = asked.extends and asked.window_ms is not None and holder.expires_at is not None
    if asked.replaces and holder.status in DELAYED:
        return Fate(InsertOutcome.REPLACED, moves_window=extends)
    if asked.keeps_last and holder.status in ACTIVE:
        return Fate(InsertOutcome.STORED)
    # Where nothing can be replaced, an extension would keep a steady stream from ever being added again.
    return Fate(InsertOutcome.DEDUPLICATED, moves_window=extends and not asked.replaces)
