"""How endpoints stand: all of them but their headers and secrets."""

from typing import Any

import orjson
import sqlalchemy

from app.domain import retention
from app.domain.endpoint import EndpointState, Limiter
from app.domain.retention import Keep, Retention
from app.postgres.database import Connection
from app.store.tables import endpoints

_NOW = sqlalchemy.func.statement_timestamp()
_PAUSED = sqlalchemy.case((endpoints.c.paused_until > _NOW, endpoints.c.paused_until)).label("paused_until")
COLUMNS = (*(each for each in endpoints.c if each.name not in {"headers", "secrets", "paused_until"}), _PAUSED)
"""What `of_row` reads."""


def find(conn: Connection, *, queue: str) -> EndpointState | None:
    """Return the endpoint of `queue`, switched off or not; None if it has none."""
    row = conn.execute(sqlalchemy.select(*COLUMNS).where(endpoints.c.queue == queue)).one_or_none()
    return None if row is None else of_row(row)


def of_row(row: Any) -> EndpointState:
    """Return the endpoint of a row of `COLUMNS`."""
    limiter = None if row.limiter_max is None else Limiter(max_calls=row.limiter_max, window_ms=row.limiter_ms)
    return EndpointState(
        queue=row.queue,
        url=row.url,
        method=row.method,
        timeout_ms=row.timeout_ms,
        concurrency=row.concurrency,
        limiter=limiter,
        max_stalled_count=row.max_stalled_count,
        retention=Retention(on_complete=_keep(row.remove_on_complete), on_fail=_keep(row.remove_on_fail)),
        sees_payload=row.sees_payload,
        registered_at=row.registered_at,
        paused_until=row.paused_until,
        switched_off_at=row.switched_off_at,
        switched_off_reason=row.switched_off_reason,
    )


def _keep(text: str | None) -> Keep | None:
    """Return a column of JSON, which the driver returns as text."""
    return None if text is None else retention.of_json(orjson.loads(text))
