"""Finding jobs: a bounded look at those of one queue, or of all, in the order of their numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.domain import ids
from app.domain.jobfilter import LOOKED_MAX, LOOKED_MS, JobFilter
from app.postgres.database import Connection
from app.store import terms
from app.store.statements import Statement
from app.store.terms import Chosen

_search = Statement("jobs/search")
_search_ids = Statement("jobs/search_ids")
_search_all = Statement("jobs/search_all")
_search_terms = Statement("jobs/search_terms")
_search_failed = Statement("jobs/search_failed")
_matching = Statement("jobs/matching")
_FAR = 2**63 - 1  # beyond the numbers of all jobs, and negated before them


def _turned(statement: Statement) -> Statement:
    """Return the same statement for the other order, the oldest first."""
    text = statement.text.replace("queue desc", "queue asc").replace("number desc", "number asc")
    text = text.replace("fingerprint desc", "fingerprint asc")
    return Statement(f"{statement.name}, oldest first", text)


OLDEST_FIRST = {
    statement: _turned(statement) for statement in (_search, _search_ids, _search_all, _search_terms, _search_failed)
}
"""The statements of the other order, which have no files."""


class Searched(NamedTuple):
    """How many jobs a search looked at, the number of the last one, and the numbers of those that match, in order.

    It is not complete if it stopped at its bound of jobs or of time: there may be more behind `last`. It may also have
    stopped at the `most` jobs that were to be found.
    """

    looked_at: int
    last: int | None
    numbers: list[int]
    is_complete: bool


def search(
    conn: Connection,
    *,
    queue: str,
    wanted: JobFilter,
    most: int,
    after: int | None = None,
    until: int | None = None,
    newest_first: bool = True,
    limit: int = LOOKED_MAX,
    time_ms: int = LOOKED_MS,
) -> Searched:
    """Look at the jobs of `queue` behind the number `after`, up to `until`, in the order asked for; locks none.

    Stops at the `most`'th that matches, when it has looked at `limit`, or after `time_ms`, but looks at one at least.
    If `wanted` names ids, it looks at those jobs alone; if it names tags or keys, or a fingerprint, at those that have
    them.
    """
    return search_along(
        conn,
        terms.choose(conn, queue=queue, wanted=wanted),
        queue=queue,
        wanted=wanted,
        most=most,
        after=after,
        until=until,
        newest_first=newest_first,
        limit=limit,
        time_ms=time_ms,
    )


def search_along(
    conn: Connection,
    chosen: Chosen | None,
    *,
    queue: str,
    wanted: JobFilter,
    most: int,
    after: int | None = None,
    until: int | None = None,
    newest_first: bool = True,
    limit: int = LOOKED_MAX,
    time_ms: int = LOOKED_MS,
) -> Searched:
    """Do what `search` does, over the jobs that `terms.choose` has chosen for `wanted`."""
    asked = _asked(wanted, after=after, until=until, newest_first=newest_first, most=most, limit=limit, time_ms=time_ms)
    asked["queue"] = queue
    if chosen is not None:
        return _run(conn, _search_terms, asked | _terms(chosen), newest_first=newest_first)
    if not wanted.ids:
        statement = _search if wanted.fingerprint is None else _search_failed
        return _run(conn, statement, asked, newest_first=newest_first)
    asked["numbers"] = [number for job_id in wanted.ids if (number := ids.generated(job_id)) is not None]
    asked["custom_ids"] = [job_id for job_id in wanted.ids if not ids.is_digits(job_id)]
    return _run(conn, _search_ids, asked, newest_first=newest_first)


def search_by_number(
    conn: Connection,
    *,
    readable: Sequence[str],
    shown: Sequence[str],
    wanted: JobFilter,
    most: int,
    after: int | None = None,
    newest_first: bool = True,
    limit: int = LOOKED_MAX,
    time_ms: int = LOOKED_MS,
) -> Searched:
    """Do what `search_all.search_all` does, by a look at the jobs of all queues in the order of their numbers."""
    asked = _asked(wanted, after=after, until=None, newest_first=newest_first, most=most, limit=limit, time_ms=time_ms)
    return _run(conn, _search_all, asked | {"readable": readable, "shown": shown}, newest_first=newest_first)


def matching(conn: Connection, *, queue: str, wanted: JobFilter, numbers: Sequence[int]) -> set[int]:
    """Return those of the jobs that match, but for the ids that `wanted` names."""
    asked = _asked(wanted, after=None, until=None, newest_first=True)
    return {row.number for row in _matching.rows(conn, queue=queue, numbers=numbers, **asked)}


def _terms(chosen: Chosen) -> dict[str, Any]:
    others = [each.term for each in chosen.others]
    or_others = [each.other or each.term for each in chosen.others]
    return {"term": chosen.first.term, "or_term": chosen.first.other, "others": others, "or_others": or_others}


def _run(conn: Connection, statement: Statement, asked: dict[str, Any], *, newest_first: bool) -> Searched:
    [found] = (statement if newest_first else OLDEST_FIRST[statement]).rows(conn, **asked)
    is_at_limit = found.looked_at == asked["limit"] and len(found.numbers) < asked["most"]
    last = found.lowest if newest_first else found.highest
    return Searched(found.looked_at, last, found.numbers, is_complete=not found.is_late and not is_at_limit)


def _asked(
    wanted: JobFilter, *, after: int | None, until: int | None, newest_first: bool, **bounds: int
) -> dict[str, Any]:
    """Return the parameters of a statement, but those that say where it looks."""
    step = -1 if newest_first else 1
    begin = -step * _FAR if after is None else after
    end = step * _FAR if until is None else until + step
    above, below = (end, begin) if newest_first else (begin, end)
    return {
        "statuses": wanted.statuses,
        "above": above,
        "below": below,
        "name": wanted.name,
        "since": wanted.since_ms,
        "until": wanted.until_ms,
        "finished_since": wanted.finished_since_ms,
        "finished_until": wanted.finished_until_ms,
        "worker": wanted.worker,
        "fingerprint": wanted.fingerprint,
        "tags": wanted.tags,
        "error": wanted.error,
        "paths": [path for path, _ in wanted.data],
        "values": [value for _, value in wanted.data],
    } | bounds
