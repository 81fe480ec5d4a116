"""Terms: what jobs are found by at once. The statements that add and remove jobs store and remove theirs."""

from collections.abc import Sequence
from typing import NamedTuple

from app.domain.ids import QUEUE_NAME_MAX
from app.domain.jobfilter import LOOKED_MAX, JobFilter
from app.domain.states import Status
from app.domain.terms import TAGS, Either, FillStatus, TermFill, sought
from app.postgres.database import Connection
from app.store import counts
from app.store.statements import Statement

_filled = Statement("terms/filled")
_count = Statement("terms/count")
_fill = Statement("terms/fill")
_forget = Statement("terms/forget")
_has_keys = Statement("terms/has_keys")
_next_tagged = Statement("terms/next_tagged")
_unfinished = Statement("terms/unfinished")
_want = Statement("terms/want")
_await = Statement("terms/await")
_lock = Statement("terms/lock")
_save = Statement("terms/save")
_drop = Statement("terms/drop")
_clear = Statement("terms/clear")
_orphans = Statement("terms/orphans")
_clear_all = Statement("terms/clear_all")
_running = Statement("terms/running")

FEW = 2_000
"""Jobs with a term up to this number are few: a search that looks at all of them is over in some ms."""


class Chosen(NamedTuple):
    """By which terms a search goes: over the jobs that have the first one, which have to have the others too."""

    first: Either
    others: list[Either]


def choose(conn: Connection, *, queue: str, wanted: JobFilter) -> Chosen | None:
    """Return by which terms to look for `wanted`; None: by its statuses.

    The rarest comes first. If none is rare, and few jobs are in the statuses asked for, these are looked at.
    """
    if wanted.ids or not (wanted.tags or wanted.data):
        return None
    found = sought(wanted, {row.path for row in _filled.rows(conn, queue=queue)})
    if not found:
        return None
    spread = _spread(conn, queue=queue, found=found)
    first = min(range(len(found)), key=spread.__getitem__)
    is_rare = spread[first].jobs < FEW
    if not is_rare and len(wanted.statuses) < len(Status) and _are_few(conn, queue, wanted):
        return None
    return Chosen(found[first], found[:first] + found[first + 1 :])


class _Spread(NamedTuple):
    """How many jobs have a term, up to FEW, the newest, and the number of the oldest of these: the lower, the rarer."""

    jobs: int
    oldest: int


def _spread(conn: Connection, *, queue: str, found: Sequence[Either]) -> list[_Spread]:
    asked = [term for either in found for term in either if term is not None]
    counted = dict(zip(asked, _count.rows(conn, queue=queue, terms=asked, most=FEW), strict=True))
    each = [[counted[term] for term in either if term is not None] for either in found]
    return [_Spread(min(FEW, sum(row.jobs for row in rows)), max(row.oldest or 0 for row in rows)) for rows in each]


def _are_few(conn: Connection, queue: str, wanted: JobFilter) -> bool:
    numbers = counts.count(conn, queue=queue)
    return sum(numbers[status] for status in wanted.statuses) <= LOOKED_MAX


def fill(conn: Connection, *, queue: str, numbers: Sequence[int]) -> int:
    """Store the missing terms of those of the jobs that exist; return how many have some. Waits for row locks."""
    return int(_fill.rows(conn, queue=queue, numbers=numbers)[0].jobs) if numbers else 0


def forget(conn: Connection, *, queue: str, numbers: Sequence[int]) -> None:
    """Remove the terms of jobs, before these are changed; `fill` has to follow. The caller has locked the jobs."""
    _forget.rows(conn, queue=queue, numbers=numbers)


def has_keys(conn: Connection, *, queue: str) -> bool:
    """Return whether jobs of the queue are found by their data."""
    return bool(_has_keys.rows(conn, queue=queue))


class Looked(NamedTuple):
    """A look at some jobs: how many, the number of the last, and, by queue, which may lack terms."""

    looked_at: int
    last: int | None
    numbers: dict[str, list[int]]
    is_over: bool


def next_tagged(conn: Connection, *, after: int, until: int, limit: int) -> Looked:
    """Look at the next jobs of all queues behind the number `after`, up to `until`; return those that have tags."""
    rows = _next_tagged.rows(conn, after=after, until=until, limit=limit)
    numbers = {row.queue: row.numbers for row in rows if row.numbers}
    looked_at = sum(row.looked_at for row in rows)
    return Looked(looked_at, max((row.last for row in rows), default=None), numbers, is_over=looked_at < limit)


def unfinished(conn: Connection) -> list[TermFill]:
    """Return what is not filled, or is to be taken away."""
    return [TermFill(row.queue, row.path, FillStatus(row.status), *row[3:]) for row in _unfinished.rows(conn)]


def are_tags_filled(conn: Connection) -> bool:
    """Return whether all jobs of all queues have the terms of their tags."""
    return any(row.path == TAGS for row in _filled.rows(conn, queue=""))


def want(conn: Connection, *, queue: str, keys: Sequence[str]) -> None:
    """Have the terms of these keys filled, and those of the others of the queue taken away."""
    _want.rows(conn, queue=queue, keys=keys)


def await_others(conn: Connection) -> None:
    """Have the terms of the tags of all queues filled; note that something was in their way until now."""
    _await.rows(conn)


def lock(conn: Connection, fill: TermFill) -> bool:
    """Lock it until the transaction ends; return False if it is not as `fill` says any more. Waits for a row lock."""
    place = {"queue": fill.queue, "path": fill.path, "before": fill.status, "before_until": fill.until}
    return bool(_lock.rows(conn, **place, since=fill.since))


def save(
    conn: Connection, fill: TermFill, status: FillStatus, *, at: int = 0, until: int = 0, looked_at: int = 0
) -> bool:
    """Note how far a key is; return False if it is not as `fill` says any more. `looked_at`: so many jobs more."""
    place = {"queue": fill.queue, "path": fill.path, "at": at, "until": until}
    before = {"before": fill.status, "before_at": fill.at, "before_until": fill.until, "since": fill.since}
    return bool(_save.rows(conn, **place, **before, status=status, looked_at=looked_at))


def drop(conn: Connection, fill: TermFill) -> None:
    """Forget a key whose terms were taken away, unless it is wanted again: then it is to be filled."""
    _drop.rows(conn, queue=fill.queue, path=fill.path, since=fill.since)


def clear(conn: Connection, fill: TermFill, *, limit: int) -> int:
    """Remove some terms of jobs with numbers up to `fill.until`; return how many these were."""
    first, behind = fill.range
    asked = {"first": first, "behind": behind, "until": fill.until, "limit": limit}
    if fill.path == TAGS:
        return int(_clear_all.rows(conn, **asked)[0].removed)
    return int(_clear.rows(conn, queue=fill.queue, **asked)[0].removed)


_LAST_QUEUE = "\U0010ffff" * (QUEUE_NAME_MAX + 1)  # behind all names


class Place(NamedTuple):
    """A position among all terms."""

    queue: str
    term: str
    number: int


def remove_orphans(conn: Connection, fill: TermFill, *, after: Place | None, limit: int) -> Place | None:
    """Look at the next terms behind a place, remove those whose jobs are gone; return the last place, None: no more."""
    first, behind = fill.range
    asked = {"first": first, "behind": behind, "limit": limit}
    asked |= {"until_queue": _LAST_QUEUE if fill.path == TAGS else fill.queue, "until_term": behind}
    queue, term, number = after or Place(fill.queue, first, -1)
    found = _orphans.rows(conn, **asked, after_queue=queue, after_term=term, after=number)
    if not found or found[0].looked_at < limit:
        return None
    return Place(found[0].queue, found[0].term, found[0].number)


def running(conn: Connection) -> set[str]:
    """Return the transactions of any program that run now, besides this one."""
    return {row.id for row in _running.rows(conn)}
