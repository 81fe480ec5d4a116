"""Reads of schedules: one, a page of them, and the jobs of one."""

from collections.abc import Callable, Sequence

from app.domain import schedule as times
from app.domain.errors import NoRoom, ScheduleNotFound
from app.domain.scheduled import Run, Schedule
from app.infra.room import BLIND, COPIES, SMALL, Reservation
from app.postgres.database import Connection, Database
from app.queries.permits import long_read
from app.queries.queues import like
from app.store import schedules


def find(db: Database, *, queue: str, schedule_id: str, reserve: Callable[[], Reservation] | None = None) -> Schedule:
    """Return a schedule, with long data of its jobs only if `reserve` is given, which returns a reservation for it.

    Raises ScheduleNotFound, NoRoom, DatabaseError.
    """
    with db.read() as conn:
        found = _find(conn, queue, schedule_id, max_bytes=SMALL)
    if found.schedule.data is None and reserve is not None:
        if not reserve().take_long(found.bytes * COPIES):
            raise NoRoom
        with db.read() as conn:
            found = _find(conn, queue, schedule_id, max_bytes=found.bytes)
    return found.schedule


def take_room(db: Database, *, queue: str, schedule_id: str, held: Reservation, besides: int = 0) -> None:
    """Reserve memory for the data of a schedule, if there is one, and for so many bytes `besides`, unless they are few.

    Raises NoRoom, DatabaseError.
    """
    with db.read() as conn:
        found = schedules.find(conn, queue=queue, schedule_id=schedule_id, max_bytes=0)
    if not held.take_long(((found.bytes if found else 0) + besides) * COPIES):
        raise NoRoom


def _find(conn: Connection, queue: str, schedule_id: str, *, max_bytes: int) -> schedules.Shown:
    found = schedules.find(conn, queue=queue, schedule_id=schedule_id, max_bytes=max_bytes)
    if found is None:
        raise ScheduleNotFound.of(queue, schedule_id)
    return found


def page(db: Database, *, queue: str, start: int, length: int) -> tuple[int, list[Schedule]]:
    """Return how many schedules a queue has, and `length` of them from `start`, by id, without long data of their jobs.

    Raises DatabaseError.
    """
    with long_read(db, if_beyond=start + length), db.read() as conn:
        return schedules.page(conn, queue=queue, start=start, length=length, max_bytes=BLIND // max(1, length))


def page_of_all(
    db: Database, *, allowed: Sequence[str], pattern: str, start: int, length: int
) -> tuple[int, list[Schedule]]:
    """Return the same of all queues that match `pattern` and one of `allowed`, by queue, id. Raises DatabaseError.

    Takes a permit for long reads: it walks over the schedules of all queues.
    """
    max_bytes = BLIND // max(1, length)
    patterns, asked = [*map(like, allowed)], like(pattern)
    with long_read(db), db.read() as conn:
        return schedules.page_of_all(
            conn, allowed=patterns, pattern=asked, start=start, length=length, max_bytes=max_bytes
        )


def now_ms(db: Database) -> int:
    """Return the time in ms, by the database's clock. Raises DatabaseError."""
    with db.read() as conn:
        return schedules.now_ms(conn)


def runs(db: Database, *, queue: str, schedule_id: str, start: int, length: int) -> list[Run]:
    """Return jobs of a schedule that are there, the newest first. Raises ScheduleNotFound, DatabaseError.

    Takes a permit for long reads: there may be few such among many whose ids only begin alike.
    """
    prefix = times.job_id(schedule_id, 0)[:-1]
    with long_read(db), db.read() as conn:
        _find(conn, queue, schedule_id, max_bytes=0)
        return schedules.runs(conn, queue=queue, prefix=prefix, start=start, length=length)
