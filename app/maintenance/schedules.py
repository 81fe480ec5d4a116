"""Makes the ticks of schedules that are due, of all queues, in turn."""

import itertools
import logging
import time
from dataclasses import dataclass
from random import Random

from app.domain.scheduled import FIRST_DUE, DuePlace
from app.operations import schedules
from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)

FOUND_AT_ONCE = 10_000
"""Schedules that one statement finds."""
LIMIT_S = 1.0
"""For so long those that were found are worked on while more of their ticks are due; then it looks again."""
LONGEST_REST_S = 60.0
FAILED_MAX = 3
"""So many steps in a row that fail end all: it is not their schedules, but the database."""
FORGOTTEN_S = 600.0
"""After so long nothing is known any more of a schedule that failed, and that was removed or paused then."""
Key = tuple[str, str]
"""A queue, and the id of a schedule of it."""


@dataclass(slots=True)
class _Rest:
    """Until when a schedule whose ticks failed is left alone, by the monotonic clock, and how often they failed."""

    until: float = 0.0
    failures: int = 0


class Ticker:
    """Makes ticks while its process makes the rounds for all. What fails, fails alone, and is tried again later."""

    def __init__(self, db: Database) -> None:
        """Begin without failures."""
        self._db = db
        self._random = Random()  # noqa: S311 - spreads jobs, guards nothing
        self._rests: dict[Key, _Rest] = {}
        self._failed_in_a_row: list[list[Key]] = []
        self._trouble: DatabaseError | None = None

    def tick(self) -> None:
        """Make all ticks that are due. Raises DatabaseError, once all others were tried, or FAILED_MAX in a row."""
        forgotten = time.monotonic() - FORGOTTEN_S
        self._rests = {key: rest for key, rest in self._rests.items() if rest.until > forgotten}
        self._failed_in_a_row, self._trouble = [], None
        place, found = FIRST_DUE, FOUND_AT_ONCE
        while found == FOUND_AT_ONCE:
            places = schedules.due(self._db, after=place, limit=FOUND_AT_ONCE)
            found = len(places)
            place = places[-1] if places else place
            self._make(places)
        if self._trouble is not None:
            raise self._trouble

    def _make(self, places: list[DuePlace]) -> None:
        """Make the ticks of some schedules, queue by queue in turn: at least one step of each."""
        now = time.monotonic()
        left: dict[str, list[str]] = {}
        for one in places:
            rest = self._rests.get((one.queue, one.id))
            if rest is None or rest.until <= now:
                left.setdefault(one.queue, []).append(one.id)
        more = self._steps(left)
        while more and time.monotonic() < now + LIMIT_S:
            more = self._steps(more)

    def _steps(self, left: dict[str, list[str]]) -> dict[str, list[str]]:
        """Make a step of each of the schedules, some at a time; return those of which more ticks are due."""
        more: dict[str, list[str]] = {}
        while left:
            for queue, ids in left.items():
                if again := self._step(queue, ids[: schedules.AT_ONCE]):
                    more.setdefault(queue, []).extend(again)
            left = {queue: later for queue, ids in left.items() if (later := ids[schedules.AT_ONCE :])}
        return more

    def _step(self, queue: str, ids: list[str]) -> list[str]:
        """Make ticks of up to AT_ONCE schedules of a queue; return those of which more are due."""
        together = [one for one in ids if (queue, one) not in self._rests]
        for one in ids:
            if (queue, one) in self._rests:
                self._alone(queue, one)
        if not together:
            return []
        try:
            left = schedules.tick(self._db, queue=queue, ids=together, random=self._random).left
        except DatabaseError as error:  # the next round tries each by itself
            self._trouble = error
            self._failed_in_a_row.append(self._set_apart(queue, together))
            if len(self._failed_in_a_row) == FAILED_MAX:
                for key in itertools.chain.from_iterable(self._failed_in_a_row):
                    del self._rests[key]
                raise
            return []
        except Exception:  # noqa: BLE001 - one schedule must not keep others from their ticks
            self._set_apart(queue, together)
            left = together
        self._failed_in_a_row = []
        return left

    def _set_apart(self, queue: str, ids: list[str]) -> list[Key]:
        """Have each of some schedules that failed together be tried by itself; return their keys."""
        keys = [(queue, one) for one in ids]
        self._rests |= {key: _Rest(until=time.monotonic()) for key in keys}
        return keys

    def _alone(self, queue: str, one: str) -> None:
        """Make ticks of a schedule that failed among others, or before."""
        try:
            schedules.tick(self._db, queue=queue, ids=[one], random=self._random)
        except Exception as error:  # noqa: BLE001 - as above
            rest = self._rests[queue, one]
            rest.failures += 1
            rest.until = time.monotonic() + min(2.0**rest.failures, LONGEST_REST_S)
            about = {"queue": queue, "schedule": one, "cause": str(error)}
            _log.warning("schedule_failed", extra=about, exc_info=not isinstance(error, DatabaseError))
            if isinstance(error, DatabaseError):
                self._trouble = error
        else:
            del self._rests[queue, one]
