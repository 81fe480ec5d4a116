"""Finding jobs of all queues: few queues are searched by themselves and merged, of many the jobs of all are looked at.

Few queues go faster by themselves: of each only the jobs in the statuses asked for are looked at, and none of others.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.domain.jobfilter import LOOKED_MAX, LOOKED_MS, JobFilter
from app.domain.terms import of_tag
from app.postgres.database import Connection
from app.store import search, terms
from app.store.search import Searched
from app.store.statements import Statement

_queues_with_any = Statement("jobs/queues_with_any")


def _tagged(statement: Statement) -> Statement:
    """Return the same statement for the queues that have jobs with a term. It has no file."""
    has = "exists (select from rowline.terms as term where term.queue = {0}.queue and term.term = :term) and "
    text = re.sub(
        r"from rowline\.(job_counts|job_deltas)\n *where ", lambda of: of[0] + has.format(of[1]), statement.text
    )
    return Statement(f"{statement.name}, with a term", text)


_queues_with_term = _tagged(_queues_with_any)

QUEUES_MAX = 20
"""So many queues are searched by themselves."""
FIRST, MORE = 100, 2_000
"""How many jobs of a queue are looked at first, and at a time after that."""
_NOT_BEGUN = float("-inf")


def search_all(
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
    """Look at the jobs of all queues, as `search` does, but for ids; find those of queues with certain names.

    The names match one of `readable`, and one of `shown`: patterns as LIKE has them. Needs a snapshot for all its
    statements.
    """
    if not most:
        return Searched(0, None, [], is_complete=True)
    asked = {"readable": readable, "shown": shown, "most": QUEUES_MAX + 1}
    if wanted.tags and terms.are_tags_filled(conn):
        queues = _queues_with_term.rows(conn, term=of_tag(wanted.tags[0]), **asked)
    else:
        queues = _queues_with_any.rows(conn, **asked)
    if len(queues) > QUEUES_MAX:
        return search.search_by_number(
            conn,
            readable=readable,
            shown=shown,
            wanted=wanted,
            most=most,
            after=after,
            newest_first=newest_first,
            limit=limit,
            time_ms=time_ms,
        )

    chosen = {row.queue: terms.choose(conn, queue=row.queue, wanted=wanted) for row in queues}

    def ask(queue: str, last: int | None, rows: int, ms: int) -> Searched:
        return search.search_along(
            conn,
            chosen[queue],
            queue=queue,
            wanted=wanted,
            most=most,
            after=last,
            newest_first=newest_first,
            limit=rows,
            time_ms=ms,
        )

    parts = [_Part(queue=row.queue, last=after) for row in queues]
    return _merged(parts, ask, sign=-1 if newest_first else 1, most=most, limit=limit, time_ms=time_ms)


def are_any_jobs(conn: Connection) -> bool:
    """Return whether there may be jobs in any queue."""
    return bool(_queues_with_any.rows(conn, readable=["%"], shown=["%"], most=1))


@dataclass(slots=True, kw_only=True)
class _Part:
    """How far one queue was searched. `place` grows in the order asked for."""

    queue: str
    last: int | None
    place: float = _NOT_BEGUN
    is_over: bool = False
    found: list[int] = field(default_factory=list)  # places


def _merged(
    parts: Sequence[_Part],
    ask: Callable[[str, int | None, int, int], Searched],
    *,
    sign: int,
    most: int,
    limit: int,
    time_ms: int,
) -> Searched:
    """Go on with the queue that is furthest behind, until what is found up to there is enough, or to the bound."""
    ends_at = time.monotonic() + time_ms / 1000
    looked_at = 0
    while open_parts := [part for part in parts if not part.is_over]:
        behind = min(open_parts, key=lambda part: part.place)
        left_ms = int((ends_at - time.monotonic()) * 1000)
        has_begun = behind.place != _NOT_BEGUN
        if has_begun and (left_ms <= 0 or looked_at >= limit or len(_before(parts, behind.place)) >= most):
            break
        rows = max(1, min(limit - looked_at, MORE if has_begun else FIRST))
        step = ask(behind.queue, behind.last, rows, max(0, left_ms))
        looked_at += step.looked_at
        behind.found += [sign * number for number in step.numbers]
        behind.is_over = step.is_complete and len(step.numbers) < most
        if step.last is not None:
            behind.last, behind.place = step.last, sign * step.last
    edge = min((part.place for part in parts if not part.is_over), default=float("inf"))
    found = sorted(_before(parts, edge))[:most]
    numbers = [sign * place for place in found]
    is_full = len(numbers) == most
    last = numbers[-1] if is_full and numbers else (None if edge == float("inf") else sign * int(edge))
    return Searched(looked_at, last, numbers, is_complete=is_full or edge == float("inf"))


def _before(parts: Sequence[_Part], edge: float) -> list[int]:
    """Return the places of what was found up to an edge."""
    return [place for part in parts for place in part.found if place <= edge]
