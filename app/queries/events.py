"""Reads of events: in their order, each with the id of its job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain import events as domain
from app.domain.events import Ends, Event, Shown, Title
from app.domain.job import JobKey
from app.postgres.database import Database
from app.store import events

BATCH = 2_000
"""About so many events are read at once; those of one statement, up to 10,000, are not parted."""


@dataclass(frozen=True, slots=True)
class TitledEvent:
    """An event with the id and the name of its job; None for an event of a queue."""

    event: Event
    title: Title | None
    texts: dict[object, bytes] = field(default_factory=dict, compare=False)
    """How it is sent, by what is shown of it: written once, however many clients it is sent to."""


class Page(NamedTuple):
    """Some events in their order, after which event the next ones are, and between which ids events are kept.

    `is_cut`: whether events are missing before them; then the first one says so, which nobody has published.
    """

    events: Sequence[TitledEvent]
    cursor: int
    ends: Ends
    is_cut: bool = False


def ends(db: Database) -> Ends:
    """Return between which ids events are kept."""
    with db.read_once() as conn:
        return events.ends(conn)


def page(db: Database, *, after: int, queue: str | None = None, most: int = BATCH) -> Page:
    """Read about `most` events after one, of `queue` or of all, in one snapshot. The cursor goes on past the others.

    If those that follow are not kept any more, or `after` is later than all, an event says that first. So whoever reads
    events misses none without being told.
    """
    with db.read() as conn:
        ends = events.ends(conn)
        lost = domain.missing(after, ends)
        after = lost.id if lost else after
        notes = events.after(conn, after=after, most=most, queue=queue)
        found = [lost] if lost else []
        found += [event for note in notes for event in domain.spread(note) if event.id > after]
        cursor = notes[-1].last_id if notes else ends.newest
        if len(found) > most and most < BATCH:
            found = found[:most]
            cursor = found[-1].id
        unnamed = (one for one in found if one.number is not None and one.custom_id is None)
        titles = events.titles(conn, (JobKey(one.queue, one.number or 0) for one in unnamed))
        titled = [TitledEvent(one, _title(one, titles)) for one in found]
        return Page(titled, cursor, ends, is_cut=lost is not None)


def _title(event: Event, titles: dict[JobKey, Title]) -> Title | None:
    if event.number is None:
        return None
    return Title(event.custom_id, None) if event.custom_id else titles[JobKey(event.queue, event.number)]


def shown(db: Database, *, job: JobKey, lines: Sequence[int]) -> Shown:
    """Return what events of progress and of log lines show of a job."""
    with db.read_once() as conn:
        return events.shown(conn, job=job, lines=lines)
