"""Makes the ticks of schedules that are due, of all queues, in turn."""

import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from app.domain.scheduled import FIRST_DUE, DuePlace
from app.operations import ticks
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
NOTHING_LEFT = ticks.Ticked({}, {})
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
            places = ticks.due(self._db, after=place, limit=FOUND_AT_ONCE)
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
        for share in _shares(left):
            some = share
            while some:
                again, some = self._step(some)
                for queue, ids in again.items():
                    more.setdefault(queue, []).extend(ids)
        return more

    def _step(self, due: dict[str, list[str]]) -> ticks.Ticked:
        """Make ticks of up to AT_ONCE schedules, by their queues."""
        together: dict[str, list[str]] = {}
        for queue, ids in due.items():
            for one in ids:
                if (queue, one) in self._rests:
                    self._alone(queue, one)
                else:
                    together.setdefault(queue, []).append(one)
        if not together:
            return NOTHING_LEFT
        try:
            ticked = ticks.tick(self._db, due=together, random=self._random)
        except Exception as error:  # noqa: BLE001 - one schedule must not keep others from their ticks
            return self._queue_by_queue(together) if len(together) > 1 else self._failed(together, error)
        self._failed_in_a_row = []
        return ticked

    def _queue_by_queue(self, due: dict[str, list[str]]) -> ticks.Ticked:
        """Make ticks of schedules that failed together, those of a queue at a time."""
        more: dict[str, list[str]] = {}
        for queue, ids in due.items():
            more |= self._step({queue: ids}).more
        return ticks.Ticked(more, {})

    def _failed(self, due: dict[str, list[str]], error: Exception) -> ticks.Ticked:
        """Have each of the schedules of a queue, which failed together, be tried by itself.

        That is done in the next round, if the database failed. Raises DatabaseError if it fails FAILED_MAX in a row.
        """
        apart = [(queue, one) for queue, ids in due.items() for one in ids]
        self._rests |= {key: _Rest(until=time.monotonic()) for key in apart}
        if not isinstance(error, DatabaseError):
            self._failed_in_a_row = []
            return ticks.Ticked(due, {})
        self._trouble = error
        self._failed_in_a_row.append(apart)
        if len(self._failed_in_a_row) == FAILED_MAX:
            for key in itertools.chain.from_iterable(self._failed_in_a_row):
                del self._rests[key]
            raise error
        return NOTHING_LEFT

    def _alone(self, queue: str, one: str) -> None:
        """Make ticks of a schedule that failed among others, or before."""
        try:
            ticks.tick(self._db, due={queue: [one]}, random=self._random)
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


def _shares(left: dict[str, list[str]]) -> Iterator[dict[str, list[str]]]:
    """Yield up to AT_ONCE schedules at a time, by their queues: first up to so many of each queue, then the others."""
    while left:
        some: dict[str, list[str]] = {}
        size = 0
        for queue, ids in left.items():
            first = ids[: ticks.AT_ONCE]
            if size + len(first) > ticks.AT_ONCE:
                yield some
                some, size = {}, 0
            some[queue] = first
            size += len(first)
        yield some
        left = {queue: later for queue, ids in left.items() if (later := ids[ticks.AT_ONCE :])}
