"""Reads of events: in their order, each with the id of its job."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain import events as domain
from app.domain.events import Ends, Event, EventType, Run, Shown, Title
from app.domain.job import JobKey
from app.postgres.database import Database
from app.store import events

BATCH = 2_000
"""About so many events are read at once; those of one statement, up to 10,000, are not parted."""


class TitledEvent(NamedTuple):
    """An event with the id and the name of its job; None for an event of a queue."""

    event: Event
    title: Title | None


@dataclass(eq=False, slots=True)
class TitledRun:
    """A run of events with how its jobs are named: without names, those whose id is their number are left out."""

    run: Run
    titles: Mapping[int, Title]
    is_uniform: bool
    """Whether its events differ in nothing but their ids and the numbers of their jobs, which are their ids too."""
    types: frozenset[EventType]
    """Of which types its events are: of that of the run, where the note says nothing else of a job."""
    texts: dict[Hashable, bytes] = field(default_factory=dict)
    """How it is sent, by what is shown of it: written once, however many clients it is sent to."""
    _places: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many events it has, at most: those of a type that this release does not know are none."""
        return max(1, len(self.run.numbers))

    @property
    def events(self) -> Iterator[TitledEvent]:
        """The events, in their order."""
        return (TitledEvent(one, _title(one, self.titles)) for one in domain.each(self.run))

    def of_job(self, job_id: str) -> "TitledRun | None":
        """Return the event of a job, which a run has once at most, as a run that keeps nothing else."""
        place = self._place(job_id)
        if place is None:
            return None
        number, note = self.run.numbers[place], self.run.note
        more = {str(number): note.details[str(number)]} if str(number) in note.details else {}
        only = Run(self.run.type, self.run.first_id + place, note._replace(numbers=(number,), details=more), (number,))
        return titled(only, {number: self.titles[number]} if number in self.titles else {})

    def _place(self, job_id: str) -> int | None:
        numbers = self.run.numbers
        if self.is_uniform:
            number = int(job_id) if job_id.isascii() and job_id.isdecimal() else 0
            return numbers.index(number) if str(number) == job_id and number in numbers else None
        if not self._places:  # asked for by as many streams as follow a job of its queue
            self._places = {self._id(number): place for place, number in enumerate(numbers)}
        return self._places.get(job_id)

    def _id(self, number: int) -> str:
        said = self.run.note.details.get(str(number), {}).get("id")
        return said or (self.titles[number].job_id if number in self.titles else str(number))


def titled(run: Run, titles: Mapping[int, Title]) -> TitledRun:
    """Return a run with those of the titles that are of its jobs."""
    own = {number: titles[number] for number in run.numbers if number in titles} if titles else {}
    details = run.note.details
    types = {run.type}
    if details:
        words = {details.get(str(number), {}).get("type", run.type) for number in run.numbers} or types
        types = {EventType(word) for word in words if word in domain.KNOWN}
    is_numbered = bool(run.numbers) and all(title.job_id == str(number) for number, title in own.items())
    is_uniform = is_numbered and not details and run.type not in domain.OF_ONE_JOB  # which show more than is told
    return TitledRun(run, own, is_uniform, frozenset(types))


class Page(NamedTuple):
    """Some events in their order, after which event the next ones are, and between which ids events are kept.

    `is_cut`: whether events are missing before them; then the first one says so, which nobody has published.
    """

    runs: Sequence[TitledRun]
    cursor: int
    ends: Ends
    is_cut: bool = False

    @property
    def events(self) -> list[TitledEvent]:
        """The events, in their order."""
        return [event for run in self.runs for event in run.events]


def ends(db: Database) -> Ends:
    """Return between which ids events are kept."""
    with db.read_once() as conn:
        return events.ends(conn)


def page(db: Database, *, after: int, queue: str | None = None, most: int = BATCH, has_names: bool = False) -> Page:
    """Read about `most` events after one, of `queue` or of all, in one snapshot. The cursor goes on past the others.

    If those that follow are not kept any more, or `after` is later than all, an event says that first. So whoever reads
    events misses none without being told. `has_names`: whether the names of jobs are read too.
    """
    with db.read() as conn:
        ends = events.ends(conn)
        lost = domain.missing(after, ends)
        after = lost.last_id if lost else after
        notes = events.after(conn, after=after, most=most, queue=queue)
        cursor = notes[-1].last_id if notes else ends.newest
        runs = [*domain.spread(lost)] if lost else []
        runs += [run for note in notes for run in domain.spread(note, after=after)]
        if most < BATCH:
            runs, cursor = _first(runs, most, cursor)
        titles = events.titles(conn, _untitled(runs), has_names=has_names)
        return Page([titled(run, titles) for run in runs], cursor, ends, is_cut=lost is not None)


def _first(runs: Sequence[Run], most: int, cursor: int) -> tuple[list[Run], int]:
    """Return the first `most` events, and the cursor after them."""
    first = list[Run]()
    for run in runs:
        if not most:
            return first, first[-1].last_id
        first.append(run._replace(numbers=run.numbers[:most]))
        most -= max(1, len(first[-1].numbers))
        if len(first[-1].numbers) < len(run.numbers):
            return first, first[-1].last_id
    return first, cursor


def _untitled(runs: Iterable[Run]) -> dict[int, str]:
    """Return the queues of the jobs, by their numbers, of which a note does not say the id."""
    found = dict[int, str]()
    for run in runs:
        said = run.note.details
        numbers = [one for one in run.numbers if "id" not in said.get(str(one), {})] if said else run.numbers
        found |= dict.fromkeys(numbers, run.note.queue)
    return found


def _title(event: Event, titles: Mapping[int, Title]) -> Title | None:
    if event.number is None:
        return None
    if event.custom_id:
        return Title(event.custom_id, None)
    return titles.get(event.number) or Title(str(event.number), None)


def shown(db: Database, *, job: JobKey, lines: Sequence[int]) -> Shown:
    """Return what events of progress and of log lines show of a job."""
    with db.read_once() as conn:
        return events.shown(conn, job=job, lines=lines)
