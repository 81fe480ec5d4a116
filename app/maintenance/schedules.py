"""Makes the ticks of schedules that are due, of all queues, in turn."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from app.domain.scheduled import FIRST_DUE, DuePlace
from app.operations import ticks
from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)

FOUND_AT_ONCE = 5_000
"""Schedules that one statement finds."""
OF_QUEUE = 1_000
"""Of a queue of which so many were found others are looked for later, after those of other queues."""
FOUND_MAX = 100_000
"""Schedules that are found before their ticks are made."""
LIMIT_S = 1.0
"""For so long those that were found are worked on, at least a step of each queue; the next round looks again."""
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

    def __init__(self, db: Database, *, attended_since_ms: Callable[[], int | None] = lambda: None) -> None:
        """Begin without failures. `attended_since_ms` says what `ticks.tick` takes."""
        self._db = db
        self._random = Random()  # noqa: S311 - spreads jobs, guards nothing
        self._attended_since_ms = attended_since_ms
        self._rests: dict[Key, _Rest] = {}
        self._failed_in_a_row: list[str] = []
        self._failed: set[str] = set()  # queues where the database failed in this round
        self._failed_before: set[str] = set()  # and in the last one
        self._trouble: DatabaseError | None = None

    def tick(self) -> bool:
        """Make ticks that are due, of each queue some; return whether there may be more at once: the next round looks.

        Raises DatabaseError, once all others were tried, or FAILED_MAX in a row.
        """
        forgotten = time.monotonic() - FORGOTTEN_S
        self._rests = {key: rest for key, rest in self._rests.items() if rest.until > forgotten}
        self._failed_in_a_row, self._failed_before, self._failed = [], self._failed, set()
        self._trouble = None
        places, is_all = self._find()
        left = self._make(places)
        if self._trouble is not None:
            raise self._trouble
        return bool(left) or not is_all

    def _find(self) -> tuple[list[DuePlace], bool]:
        """Return schedules that are due, of all queues, and whether these are all; else some of each queue."""
        now = time.monotonic()
        found: list[DuePlace] = []
        sizes: Counter[str] = Counter()
        place, full = FIRST_DUE, list[str]()
        while len(found) < FOUND_MAX:
            places = ticks.due(self._db, after=place, limit=FOUND_AT_ONCE, but_of=full)
            new = [one for one in places if not self._rests_at(one, now)]
            found += new
            sizes.update(one.queue for one in new)
            if len(places) < FOUND_AT_ONCE:
                return found, not full
            place = places[-1]
            full = [queue for queue, size in sizes.items() if size >= OF_QUEUE]
        return found, False

    def _rests_at(self, one: DuePlace, now: float) -> bool:
        rest = self._rests.get((one.queue, one.id))
        return rest is not None and rest.until > now

    def _make(self, places: list[DuePlace]) -> dict[str, list[str]]:
        """Make ticks of some schedules, queue by queue in turn, for LIMIT_S; return those of which more are due."""
        ends_at = time.monotonic() + LIMIT_S
        left: dict[str, list[str]] = {}
        for one in places:
            left.setdefault(one.queue, []).append(one.id)
        is_first = True
        while left and (is_first or time.monotonic() < ends_at):
            left, is_first = self._turn(left), False
        return left

    def _turn(self, left: dict[str, list[str]]) -> dict[str, list[str]]:
        """Make a step of each queue, some queues at a time; return the schedules of which more ticks are due."""
        later = {queue: ids[ticks.AT_ONCE :] for queue, ids in left.items()}
        for share in _shares(left):
            some = share
            while some:
                again, some = self._step(some)
                for queue, ids in again.items():
                    later[queue] += ids
        return {queue: ids for queue, ids in later.items() if ids}

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
            ticked = self._tick(together)
        except Exception as error:  # noqa: BLE001 - one schedule must not keep others from their ticks
            if len(together) > 1:
                return self._queue_by_queue(together)
            [(queue, ids)] = together.items()
            return self._fail(queue, ids, error)
        self._failed_in_a_row = []
        return ticked

    def _queue_by_queue(self, due: dict[str, list[str]]) -> ticks.Ticked:
        """Make ticks of schedules that failed together, those of a queue at a time."""
        more: dict[str, list[str]] = {}
        for queue, ids in due.items():
            more |= self._step({queue: ids}).more
        return ticks.Ticked(more, {})

    def _tick(self, due: dict[str, list[str]]) -> ticks.Ticked:
        return ticks.tick(self._db, due=due, random=self._random, attended_since_ms=self._attended_since_ms())

    def _fail(self, queue: str, ids: list[str], error: Exception) -> ticks.Ticked:
        """Have schedules of a queue, which failed together, be tried again.

        Each by itself, at once; if the database failed, in the next round, and by itself only if it did so in the last
        one too. Raises DatabaseError if it fails FAILED_MAX in a row.
        """
        if not isinstance(error, DatabaseError):
            self._failed_in_a_row = []
            self._part(queue, ids)
            return ticks.Ticked({queue: ids}, {})
        self._trouble = error
        self._failed.add(queue)
        self._failed_in_a_row.append(queue)
        if len(self._failed_in_a_row) == FAILED_MAX:
            self._failed.difference_update(self._failed_in_a_row)
            raise error
        if queue in self._failed_before:
            self._part(queue, ids)
        return NOTHING_LEFT

    def _part(self, queue: str, ids: list[str]) -> None:
        """Have each of some schedules be tried by itself."""
        self._rests |= {(queue, one): _Rest(until=time.monotonic()) for one in ids}

    def _alone(self, queue: str, one: str) -> None:
        """Make ticks of a schedule that failed among others, or before."""
        try:
            self._tick({queue: [one]})
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
    """Yield up to AT_ONCE schedules at a time, by their queues: the first of each, up to so many."""
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
