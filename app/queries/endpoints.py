"""Reads of endpoints. Their secrets stay encrypted."""

from collections.abc import Sequence

import sqlalchemy

from app.domain.endpoint import Endpoint, EndpointState
from app.domain.errors import WorkerNotFound
from app.postgres.database import Database
from app.queries.queues import like
from app.store import endpoint_states
from app.store.tables import endpoints


def urls(db: Database) -> dict[str, str]:
    """Return the URL of each queue that has an endpoint, switched off or not, by queue."""
    with db.read() as conn:
        found = conn.execute(sqlalchemy.select(endpoints.c.queue, endpoints.c.url).order_by(endpoints.c.queue))
        return {row.queue: row.url for row in found}


def revisions(db: Database) -> dict[str, str]:
    """Return the revision of each endpoint that is not switched off, by queue."""
    wanted = sqlalchemy.select(endpoints.c.queue, endpoints.c.revision).where(endpoints.c.switched_off_at.is_(None))
    with db.read() as conn:
        return {row.queue: row.revision for row in conn.execute(wanted)}


def find(db: Database, *, queue: str) -> Endpoint | None:
    """Return the endpoint of `queue`, or None if there is none or it is switched off."""
    wanted = endpoints.select().where(endpoints.c.queue == queue, endpoints.c.switched_off_at.is_(None))
    with db.read() as conn:
        row = conn.execute(wanted).one_or_none()
    if row is None:
        return None
    return Endpoint(
        queue=row.queue,
        url=row.url,
        method=row.method,
        sealed_headers=bytes(row.headers),
        sealed_secrets=bytes(row.secrets),
        timeout_ms=row.timeout_ms,
        concurrency=row.concurrency,
        revision=row.revision,
        registered_at=row.registered_at,
        sees_payload=row.sees_payload,
    )


def page(
    db: Database, *, allowed: Sequence[str], pattern: str, start: int, length: int
) -> tuple[int, list[EndpointState]]:
    """Return how many queues that match `pattern` and one of `allowed` have an endpoint, and some of them, by name."""
    is_wanted = sqlalchemy.and_(
        endpoints.c.queue.like(like(pattern)), sqlalchemy.or_(*(endpoints.c.queue.like(like(one)) for one in allowed))
    )
    counted = sqlalchemy.select(sqlalchemy.func.count()).select_from(endpoints).where(is_wanted)
    wanted = sqlalchemy.select(*endpoint_states.COLUMNS).where(is_wanted).order_by(endpoints.c.queue)
    with db.read() as conn:
        found = conn.execute(wanted.offset(start).limit(length)).all()
        return conn.execute(counted).scalar_one(), [*map(endpoint_states.of_row, found)]


def state(db: Database, *, queue: str) -> EndpointState:
    """Return the endpoint of `queue`, switched off or not. Raises WorkerNotFound."""
    with db.read() as conn:
        found = endpoint_states.find(conn, queue=queue)
    if found is None:
        raise WorkerNotFound("Worker not found")
    return found
