"""The failed jobs of a queue, by what their failures have in common: their fingerprints."""

import time
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from app.domain import fingerprint
from app.domain.failures import EXAMPLE_MAX, NEWEST, FailureGroup, Newest
from app.domain.ids import BIGINT_MAX
from app.postgres.database import Connection
from app.store.statements import Statement

_count = Statement("failures/count")
_newest = Statement("failures/newest")
_missing = Statement("failures/missing")
_lock = Statement("failures/lock")
_fill = Statement("failures/fill")

COUNTED_MS, NAMED_MS = 200, 150
"""The longest that failures are counted, and that the groups behind are looked for; then the step that runs ends."""
FIRST_STEP, LONGEST_STEP, STEP_MS = 500, 50_000, 40
"""How many jobs are counted in the first statement, and at most in one: more while it takes less than STEP_MS."""
GROUPS_MAX = 10_000
"""So many groups are told apart; who has more fails in as many ways as it has jobs."""
READ_AT_ONCE = 100  # jobs whose fingerprints are computed in one transaction: they may have long stack traces


class Counted(NamedTuple):
    """Groups, in no order. Not complete: counting stopped at its bound; some groups may have more jobs."""

    groups: list[FailureGroup]
    is_complete: bool


def count(conn: Connection, *, queue: str, time_ms: int = COUNTED_MS) -> Counted:
    """Count the failed jobs of a queue by their fingerprints, for about `time_ms`, up to GROUPS_MAX groups.

    From then on only the first jobs of each group are counted, for about NAMED_MS, so that no large one is left out.
    Needs a snapshot for all its statements.
    """
    counts_until = time.monotonic() + time_ms / 1000
    ends_at = counts_until + NAMED_MS / 1000
    is_complete = True
    groups: dict[str, FailureGroup] = {}
    last, number, limit = "", 0, FIRST_STEP
    while True:
        begun_at = time.monotonic()
        found = _count.rows(conn, queue=queue, after=last, after_number=number, limit=limit)
        for row in found:
            part = FailureGroup(row.fingerprint, row.jobs, row.first_at, row.last_at)
            known = groups.get(part.fingerprint)
            groups[part.fingerprint] = part if known is None else known.with_part(part)
        if sum(row.jobs for row in found) < limit:
            return Counted([*groups.values()], is_complete=is_complete)
        last, number = found[-1].fingerprint, found[-1].last_number
        now = time.monotonic()
        if now >= ends_at or len(groups) >= GROUPS_MAX:
            return Counted([*groups.values()], is_complete=False)
        if now >= counts_until:
            is_complete, number, limit = False, BIGINT_MAX, FIRST_STEP  # the next group
        elif (now - begun_at) * 1000 < STEP_MS:
            limit = min(2 * limit, LONGEST_STEP)


def newest(conn: Connection, *, queue: str, fingerprints: Sequence[str]) -> dict[str, Newest]:
    """Return of each of the groups what there is to show of its newest jobs, by fingerprint."""
    found = _newest.rows(conn, queue=queue, fingerprints=fingerprints, most=NEWEST, longest=EXAMPLE_MAX)
    return {row.fingerprint: Newest(row.ids, row.example) for row in found if row.ids}


def fill(conn: Connection) -> int:
    """Give READ_AT_ONCE failed jobs that have no fingerprint theirs; return how many. Skips locked rows."""
    filled = 0
    for queue, those in groupby(_missing.rows(conn, limit=READ_AT_ONCE), key=attrgetter("queue")):
        found = _lock.rows(conn, queue=queue, numbers=[row.number for row in those])
        prints = [fingerprint.of(row.reason, row.stack) for row in found]
        filled += len(_fill.rows(conn, queue=queue, numbers=[row.number for row in found], fingerprints=prints))
    return filled
