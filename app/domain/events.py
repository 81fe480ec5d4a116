"""Events: what is told of a job or a queue when a statement has changed it."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

TOLD_SINCE = "0035"
"""The schema revision whose code tells which jobs it changed, and publishes what it folds."""


class EventType(StrEnum):
    """What happened; the stream and the pages use the same words."""

    ADDED = "added"
    REPLACED = "replaced"
    DUE = "due"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRYING = "retrying"
    RELEASED = "released"
    STALLED = "stalled"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    RETRIED = "retried"
    PROMOTED = "promoted"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    DRAINED = "drained"
    PROGRESS = "progress"
    LOG = "log"
    GAP = "gap"
    RESET = "reset"


OF_VERB = {
    "insert": (EventType.ADDED,),
    "restore": (EventType.ADDED,),
    "replace": (EventType.REPLACED,),
    "promote": (EventType.DUE,),
    "claim": (EventType.ACTIVE,),
    "complete": (EventType.COMPLETED,),
    "complete_and_remove": (EventType.COMPLETED, EventType.REMOVED),
    "fail": (EventType.FAILED,),
    "fail_unstarted": (EventType.FAILED,),
    "retry_later": (EventType.RETRYING,),
    "release": (EventType.RELEASED,),
    "recover_stalled": (EventType.STALLED,),
    "cancel": (EventType.CANCELLED,),
    "sweep": (EventType.REMOVED,),
    "remove_job": (EventType.REMOVED,),
    "remove_active": (EventType.REMOVED,),
    "remove_by_plan": (EventType.REMOVED,),
    "retry": (EventType.RETRIED,),
    "undo_retry": (EventType.FAILED,),
    "promote_now": (EventType.PROMOTED,),
    "change": (EventType.CHANGED,),
    "change_data": (EventType.CHANGED,),
    "pause": (EventType.PAUSED,),
    "resume": (EventType.RESUMED,),
    "drain": (EventType.DRAINED,),
    "report_progress": (EventType.PROGRESS,),
    "append": (EventType.LOG,),
    "gap": (EventType.GAP,),
    "reset": (EventType.RESET,),
}
"""Verb of a statement -> the events of each of its jobs, in their order; `details` of a job may say another type."""
OF_ONE_JOB = frozenset({EventType.PROGRESS, EventType.LOG})
"""Events that only the stream of their job has."""
OF_MISSING = frozenset({EventType.GAP, EventType.RESET})
"""What says that events are missing, of a queue or of any: whoever may have some is told, whatever types it wants."""
REMOVALS = ("complete_and_remove", "sweep", "remove_job", "remove_active", "replace", "remove_by_plan")
"""The verbs after which a job is gone, which name the ids that jobs had besides their numbers."""
BY_ATTEMPT = frozenset({EventType.ACTIVE, EventType.COMPLETED})
"""Events whose details say the attempt only if it is not the first."""
RUN_MAX = 2_000
"""The most events that are handled as one run."""


class Note(NamedTuple):
    """What one statement says of its jobs, as it is published: `size` events, the last with the id `last_id`.

    Of a gap and of a reset, which are one event, `size` says how many ids they stand for.
    """

    last_id: int
    size: int
    queue: str  # empty: of all queues
    verb: str
    at_ms: int
    numbers: Sequence[int]
    worker: str | None
    details: Mapping[str, Mapping[str, Any]]  # by number


class Run(NamedTuple):
    """Events with ids that follow each other, of one type, of jobs that one statement changed; or one of a queue.

    Where the note has details of a job, its event may differ. Many are alike but for their ids and their jobs.
    """

    type: EventType
    first_id: int
    note: Note
    numbers: Sequence[int] = ()  # empty: of the queue

    @property
    def last_id(self) -> int:
        """The id of the last one."""
        return self.first_id + max(0, len(self.numbers) - 1)


class Event(NamedTuple):
    """One event. What does not apply is None."""

    id: int
    type: EventType
    queue: str
    at_ms: int
    number: int | None = None  # None: of the queue
    custom_id: str | None = None  # of a job that is gone by this statement
    attempt: int | None = None
    delay_ms: int | None = None
    reason: str | None = None
    worker: str | None = None
    line_number: int | None = None
    first_id: int | None = None
    """Of a gap: the first event that is missing; `id` is the last."""


class Ends(NamedTuple):
    """The ids of the newest event, and of the oldest that is kept; and the time by the database's clock."""

    newest: int
    oldest: int
    now_ms: int


class Title(NamedTuple):
    """How a job is named: its id in the API, and its name, None if the job is gone."""

    job_id: str
    name: str | None


class Shown(NamedTuple):
    """The progress of a job as it is now, as JSON, and lines of its log by their numbers, where they are kept."""

    progress: str | None
    lines: Mapping[int, str]


KNOWN = frozenset(each.value for each in EventType)
"""The types of events that this release knows."""


def missing(after: int, ends: Ends) -> Note | None:
    """Return what a reader of the events up to `after` is told before any other, if it can not go on there.

    A gap if later ones are not kept any more, a reset if there were never so many; None if it misses nothing.
    """
    if after > ends.newest:
        return Note(ends.newest, 1, "", EventType.RESET, ends.now_ms, (), None, {})
    if after + 1 < ends.oldest:
        return Note(ends.oldest - 1, ends.oldest - 1 - after, "", EventType.GAP, ends.now_ms, (), None, {})
    return None


def spread(note: Note, *, after: int = -1) -> Iterator[Run]:
    """Return the events after one as runs, in their order. Of two of each job, the first ones come first.

    A verb that this release does not know has none.
    """
    types = OF_VERB.get(note.verb, ())
    if not note.numbers:  # one event; a reset takes many ids, of which it has the last
        if note.last_id > after:
            yield from (Run(event_type, note.last_id, note) for event_type in types)
        return
    first = note.last_id - note.size + 1
    for event_type in types:
        for start in range(max(0, after + 1 - first), len(note.numbers), RUN_MAX):
            yield Run(event_type, first + start, note, note.numbers[start : start + RUN_MAX])
        first += len(note.numbers)


def each(run: Run) -> Iterator[Event]:
    """Return the events of a run. One of a type that this release does not know is left out."""
    note = run.note
    if not run.numbers:
        first_id = note.last_id - note.size + 1 if run.type is EventType.GAP else None
        yield Event(run.first_id, run.type, note.queue, note.at_ms, first_id=first_id)
        return
    for event_id, number in enumerate(run.numbers, run.first_id):
        more = note.details.get(str(number), {})
        if (word := more.get("type", run.type)) in KNOWN:
            yield _of_job(run, event_id, number, EventType(word), more)


def _of_job(run: Run, event_id: int, number: int, event_type: EventType, more: Mapping[str, Any]) -> Event:
    return Event(
        id=event_id,
        type=event_type,
        queue=run.note.queue,
        at_ms=run.note.at_ms,
        number=number,
        custom_id=more.get("id"),
        attempt=more.get("attempt", 1 if event_type in BY_ATTEMPT else None),
        delay_ms=more.get("delay"),
        reason=more.get("reason"),
        worker=more.get("worker", run.note.worker),
        line_number=more.get("line"),
    )
