"""Reads of the audit."""

from dataclasses import dataclass
from datetime import datetime

import orjson
import sqlalchemy

from app.domain.audit import Act, Actor, ActOutcome, Entry, Members
from app.postgres.database import Database
from app.queries.permits import long_read
from app.store.tables import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which acts are wanted: all that match each condition that is not None.

    `actor`: the id, or, without a colon, the name of a token; `before`: numbers below it.
    """

    since: datetime | None = None
    actor: str | None = None
    action: str | None = None
    queue: str | None = None
    target: str | None = None
    before: int | None = None


def entries(db: Database, *, wanted: Wanted, length: int) -> list[Entry]:
    """Return up to `length` acts, the newest first. Takes a permit for long reads: there may be few such among many."""
    conditions = [
        column == value
        for column, value in (
            (audit.c.action, wanted.action),
            (audit.c.queue, wanted.queue),
            (audit.c.target, wanted.target),
        )
        if value is not None
    ]
    if wanted.actor is not None:
        is_id = ":" in wanted.actor  # so that a token that is called like another actor is not taken for it
        conditions.append((audit.c.actor if is_id else audit.c.actor_name) == wanted.actor)
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.before is not None:
        conditions.append(audit.c.number < wanted.before)
    found = sqlalchemy.select(audit).where(*conditions).order_by(audit.c.number.desc()).limit(length)
    with long_read(db), db.read() as conn:
        return [_entry(row) for row in conn.execute(found)]


def _entry(row: sqlalchemy.Row[tuple[object, ...]]) -> Entry:
    actor = Actor(id=row.actor, name=row.actor_name, address=row.address, request_id=row.request_id)
    act = Act(
        action=row.action,
        queue=row.queue,
        target=row.target,
        affected=row.affected,
        before=_members(row.before),
        after=_members(row.after),
        outcome=ActOutcome(row.outcome),
    )
    return Entry(number=row.number, at=row.at, actor=actor, act=act)


def _members(text: str | None) -> Members | None:
    """Parse a column of JSON, which the driver returns as text."""
    return None if text is None else orjson.loads(text)
