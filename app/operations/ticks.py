"""Ticks of schedules: a step of them is one transaction, which locks schedules, adds their jobs and moves them on.

A tick is made by whoever has locked the row of its schedule. So it is made once, whatever dies, and however many
processes try. The order of locks is that of schedules, then of deduplication ids, then of jobs, by number.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from app.domain import schedule as times
from app.domain import scheduled
from app.domain.job import NewJob
from app.domain.schedule import Overlap
from app.domain.scheduled import COUNTED, DuePlace, Schedule, Ticks
from app.domain.states import FINAL
from app.infra import room
from app.operations import deduplication, operation, verbs
from app.operations.adding import Submitted
from app.postgres.database import Connection, Database
from app.store import deduplications, jobs
from app.store import schedules as store
from app.store.schedules import Moved

AT_ONCE = 200
"""Schedules that a transaction holds."""
JOBS_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 2**20
"""Jobs that a transaction adds, and the bytes of their data, unless one alone has more."""
LONGEST_S = 0.2
"""A transaction that has lasted so long goes on to no other queue: whoever changes one of its schedules waits."""


class Ticked(NamedTuple):
    """The schedules that have more ticks to be made at once, and those that there was no room for, by their queues."""

    more: dict[str, list[str]]
    untouched: dict[str, list[str]]


class _Room:
    """What the transaction of a step has room for yet. `attended_since_ms`: as `tick` takes it."""

    def __init__(self, attended_since_ms: int | None = None) -> None:
        self.attended_since_ms = attended_since_ms
        self.jobs, self.bytes = JOBS_AT_ONCE, BYTES_AT_ONCE
        self.replacing = deduplication.REPLACED_MAX  # jobs that may take the place of others
        self._ends_at = time.monotonic() + LONGEST_S

    @property
    def is_full(self) -> bool:
        """Whether no other queue is to be taken."""
        return self.jobs <= 0 or self.bytes <= 0 or time.monotonic() >= self._ends_at


@operation
def due(db: Database, *, after: DuePlace, limit: int, but_of: Sequence[str] = ()) -> list[DuePlace]:
    """Return the first `limit` schedules of all queues that are due, after a place, but for some queues."""
    with db.begin() as conn:
        return store.queues_with_due(conn, after=after, limit=limit, but_of=but_of)


@operation
def tick(db: Database, *, due: Mapping[str, list[str]], random: Random, attended_since_ms: int | None = None) -> Ticked:
    """Make the ticks of schedules that are due, up to AT_ONCE, by their queues; notify those that got jobs.

    Somebody has made ticks since `attended_since_ms`, by the database's clock; None: since now.

    One transaction, queue by queue in the order of their names, as locks of two queues demand, as far as it has room;
    schedules that another transaction has locked are passed over. Raises whatever a template or a time zone that has
    become invalid makes of it: then none of these ticks is made.
    """
    more: dict[str, list[str]] = {}
    added: list[str] = []
    queues = deque(sorted(due))
    with db.begin() as conn:
        room_left = _Room(attended_since_ms)
        while queues and (not room_left.is_full or len(queues) == len(due)):
            queue = queues.popleft()
            number, left = _tick(conn, queue, due[queue], random, room_left)
            if number:
                added.append(queue)
            if left:
                more[queue] = left
    for queue in added:
        db.notify(queue)
    return Ticked(more, {queue: due[queue] for queue in queues})


def _tick(conn: Connection, queue: str, ids: Sequence[str], random: Random, room_left: _Room) -> tuple[int, list[str]]:
    """Make the ticks of schedules of a queue; return how many jobs were added, and those that are not done."""
    held = store.hold(conn, queue=queue, ids=ids)
    fitting, left = _fitting(held)
    if not fitting:
        return 0, []
    found = store.held(conn, queue=queue, ids=fitting)
    step = Step(conn, queue, found.now_ms, random, room_left)
    for one in found.schedules:
        if one.is_due(found.now_ms):
            step.take(one, held[one.id])
    return step.make(), step.left + left


def _fitting(held: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return those of the schedules whose data are read together, at least one, and the others."""
    fitting: list[str] = []
    size = 0
    for one, its_bytes in held.items():
        size += its_bytes
        if fitting and size > BYTES_AT_ONCE:
            break
        fitting.append(one)
    return fitting, [*held][len(fitting) :]


class _Taken(NamedTuple):
    """A schedule, what becomes of its ticks, and their jobs."""

    schedule: Schedule
    ticks: Ticks
    jobs: list[NewJob]


class Step:
    """The ticks of schedules of a queue, which are locked, while they are made in a transaction."""

    def __init__(
        self, conn: Connection, queue: str, now_ms: int, random: Random, room_left: _Room | None = None
    ) -> None:
        self._conn, self._queue, self.now_ms, self._random = conn, queue, now_ms, random
        self._taken: list[_Taken] = []
        self._room = room_left or _Room()
        self.left: list[str] = []

    def take(self, one: Schedule, size: int) -> None:
        """Decide what becomes of the ticks of a schedule that are due; of those that it has no room for, later."""
        template = one.template
        replaces = template.deduplication is not None and template.deduplication.replaces
        jobs_left = min(self._room.jobs, self._room.replacing) if replaces else self._room.jobs
        if jobs_left <= 0 or self._room.bytes <= 0:
            self.left.append(one.id)
            return
        most = max(1, min(jobs_left, self._room.bytes // max(1, size)))
        since_ms = self._room.attended_since_ms
        ticks = scheduled.ticks(one, now_ms=self.now_ms, attended_since_ms=since_ms, most=most)
        made = [self._job(template, one, times.job_id(one.id, at)) for at in ticks.made]
        self._taken.append(_Taken(one, ticks, made))
        self._room.jobs -= len(made)
        self._room.replacing -= len(made) * replaces
        self._room.bytes -= len(made) * size
        if ticks.next_at is not None and ticks.next_at <= self.now_ms:
            self.left.append(one.id)

    def at_once(self, one: Schedule) -> None:
        """Have a schedule that is not due make a tick now, besides."""
        job = self._job(one.template, one, times.job_id(one.id, self.now_ms))
        self._taken.append(_Taken(one, Ticks((self.now_ms,), 0, one.next_at), [job]))

    def _job(self, template: NewJob, one: Schedule, job_id: str) -> NewJob:
        jitter_ms = self._random.randint(0, one.jitter_ms) if one.jitter_ms else 0
        return scheduled.job_of(template, job_id, jitter_ms=jitter_ms)

    def make(self) -> int:
        """Cancel what is to be cancelled, add the jobs, move the schedules on; return how many jobs were added."""
        if not self._taken:
            return 0
        self._cancel()
        # Jobs of one moment are added in the order of their ticks.
        order = sorted(
            (at, nth, at_nth) for nth, one in enumerate(self._taken) for at_nth, at in enumerate(one.ticks.made)
        )
        new = [self._taken[nth].jobs[at_nth] for _, nth, at_nth in order]
        submitted: list[list[Submitted]] = [[] for _ in self._taken]
        if new:
            added = deduplication.submit(self._conn, queue=self._queue, new=new, held=room.alone())
            for (_, nth, _), one in zip(order, added, strict=True):
                submitted[nth].append(one)
        moved = {one.schedule.id: _moved(one, ended) for one, ended in zip(self._taken, submitted, strict=True)}
        store.move(self._conn, queue=self._queue, moved=moved)
        return len(new)

    def _cancel(self) -> None:
        """Cancel the jobs of last ticks that have not ended, where that is what an overlap does."""
        cancelling = [
            one
            for one in self._taken
            if one.jobs and one.schedule.overlap is Overlap.CANCEL and one.schedule.last is not None
        ]
        if not cancelling:
            return
        dedup_ids = {job.deduplication.id for one in self._taken for job in one.jobs if job.deduplication}
        if dedup_ids:  # they are locked before jobs, everywhere
            deduplications.hold(self._conn, queue=self._queue, dedup_ids=sorted(dedup_ids))
        numbers = sorted(one.schedule.last_number for one in cancelling if one.schedule.last_number is not None)
        locked = jobs.lock(self._conn, queue=self._queue, numbers=numbers)
        living = [job for job in locked if job.status not in FINAL]
        verbs.cancel(self._conn, self._queue, living)
        verbs.remove_at_once(self._conn, self._queue, living)


def _moved(taken: _Taken, submitted: Sequence[Submitted]) -> Moved:
    """Return how a schedule is after its ticks, by what became of their jobs."""
    one, ticks = taken.schedule, taken.ticks
    had = [(at, job) for at, (job, outcome) in zip(ticks.made, submitted, strict=True) if outcome in COUNTED]
    made, skipped = len(had), ticks.skipped + len(submitted) - len(had)
    is_over = one.tick_limit is not None and one.ticks + made >= one.tick_limit
    next_at = None if is_over else ticks.next_at
    if not had:
        return Moved(next_at, made, skipped)
    at, job = had[-1]
    return Moved(next_at, made, skipped, tick_at=at, number=job.number, job_id=job.id)
