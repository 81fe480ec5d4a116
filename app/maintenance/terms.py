"""Fills the terms of jobs that were there before a key was set, or before the schema had terms."""

import time
from typing import NamedTuple

from app.domain.terms import TAGS, FillStatus, TermFill
from app.operations import terms
from app.postgres.database import Database, DatabaseError

IDLE_S = 2.0
"""How often it looks for what is to be filled."""
WAITING = {FillStatus.WAITING, FillStatus.SETTLING, FillStatus.LEAVING}
"""What waits for transactions that run."""
REST = 1
"""A step is followed by a rest of so many times its duration."""


class _Key(NamedTuple):
    """What waits; of tags without a moment, which is put off while older nodes are connected."""

    queue: str
    path: str
    status: FillStatus
    is_wanted: bool
    since: str


class TermFiller:
    """Fills and clears terms, a step at a time, while its process makes the rounds."""

    def __init__(self, db: Database) -> None:
        """Begin to look."""
        self._db = db
        self._has_begun = False
        self._is_busy = False
        self._took_s = 0.0
        self._awaited: dict[_Key, set[str]] = {}

    def pause_s(self) -> float:
        """Return how long to wait before the next step."""
        return REST * self._took_s if self._is_busy else IDLE_S

    def rest(self) -> None:
        """Forget for what it waits: another process makes the rounds."""
        self._has_begun, self._is_busy = False, False
        self._awaited = {}

    def tick(self) -> None:
        """Make a step of each key that can be filled or cleared."""
        began_at = time.monotonic()
        if not self._has_begun:
            terms.begin(self._db)
            self._has_begun = True
        left = terms.unfinished(self._db)
        waiting = [one for one in left if one.status in WAITING]
        keys = {_key(one) for one in waiting}
        self._awaited = {key: ids for key, ids in self._awaited.items() if key in keys}
        more = [self._has_begun_to(one) for one in waiting if self._is_free(one)]
        failed: DatabaseError | None = None
        for one in left:
            if one not in waiting:
                try:
                    more.append(terms.step(self._db, queue=one.queue, path=one.path))
                except DatabaseError as error:  # its jobs may be too long; those of others are not
                    failed = error
        self._is_busy = any(more)
        self._took_s = time.monotonic() - began_at
        if failed:
            raise failed

    def _is_free(self, one: TermFill) -> bool:
        """Return whether all transactions have ended that ran when it was first seen, or when older nodes were gone."""
        key = _key(one)
        if one.path == TAGS and not terms.are_older_kept_out(self._db):
            self._awaited.pop(key, None)
            return False
        running = terms.running(self._db)
        self._awaited[key] = running & self._awaited[key] if key in self._awaited else running
        return not self._awaited[key]

    def _has_begun_to(self, one: TermFill) -> bool:
        verb = terms.settle if one.status is FillStatus.SETTLING else terms.go_on
        return verb(self._db, fill=one)


def _key(one: TermFill) -> _Key:
    return _Key(one.queue, one.path, one.status, one.is_wanted, "" if one.path == TAGS else one.since)
