"""Endpoints: where dispatchers send the jobs of a queue, and the limits that all dispatchers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.endpoint import NewEndpoint
from app.domain.job import Lease
from app.domain.scan import Place, ScanResult
from app.postgres.database import Connection
from app.store import leases, rows, settings
from app.store.statements import Statement

_register = Statement("endpoints/register")
_remove = Statement("endpoints/remove")
_describe = Statement("endpoints/describe")
_count_all = Statement("endpoints/count_all")
_try_lock = Statement("endpoints/try_lock")
_claim_calls = Statement("endpoints/claim_calls")
_pause = Statement("endpoints/pause")
_switch_off = Statement("endpoints/switch_off")
_switch_on = Statement("endpoints/switch_on")
_stalls_allowed = Statement("endpoints/stalls_allowed")
_lock = Statement("endpoints/lock")
_reseal = Statement("endpoints/reseal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The encrypted headers and secrets of an endpoint."""

    headers: bytes
    secrets: bytes


def register(conn: Connection, *, new: NewEndpoint, sealed: Sealed) -> bool:
    """Insert or replace the endpoint of a queue; return whether it had none."""
    [row] = _register.rows(
        conn,
        queue=new.queue,
        url=new.url,
        method=new.method,
        headers=sealed.headers,
        secrets=sealed.secrets,
        timeout_ms=new.timeout_ms,
        concurrency=new.concurrency,
        limiter_max=new.limiter and new.limiter.max_calls,
        limiter_ms=new.limiter and new.limiter.window_ms,
        max_stalled_count=new.max_stalled_count,
        sees_payload=new.sees_payload,
        **settings.stored(new.retention),
    )
    return bool(row.is_new)


def describe(conn: Connection, *, queue: str) -> dict[str, Any] | None:
    """Return the endpoint of `queue` for the audit; None if it has none. Of its URL the host, and no secret."""
    found = _describe.rows(conn, queue=queue)
    return found[0]._asdict() if found else None


def count_all(conn: Connection) -> int:
    """Return how many endpoints there are, without those of uncommitted transactions."""
    [row] = _count_all.rows(conn)
    return int(row.number)


def remove(conn: Connection, *, queue: str) -> bool:
    """Delete the endpoint of `queue`; return whether it had one."""
    return bool(_remove.rows(conn, queue=queue))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointClaim:
    """The result of a claim for an endpoint.

    `limit_ends_in_ms`: ms until the limiter or the pause that prevents calls is over; None if neither does.
    `next_due_ms`: ms until a delayed job is due; None if none is delayed. `counted_s`: how long counting the running
    calls took.
    """

    leases: list[Lease]
    scan: ScanResult
    counted_s: float
    limit_ends_in_ms: int | None
    next_due_ms: int | None


def send_claim(
    conn: Connection,
    *,
    queue: str,
    revision: str,
    limit: int,
    lease_ms: int,
    worker: str,
    start: Place,
    ignore_due: bool,
    skip_dead: bool = False,
) -> Callable[[], EndpointClaim | None]:
    """Lock the endpoint and lease as many jobs as its limits allow, in a block of `Database.pipeline`.

    Call the returned function after the block. The endpoint stays locked until the transaction ends; waits for no lock.
    The function returns None if another dispatcher has locked it, or if this revision was replaced or switched off.
    With `next_due_ms` 0 nothing was claimed, unless `ignore_due`: due jobs must be promoted first. `skip_dead` has the
    same result, and is faster where a snapshot keeps many dead index entries of ended leases.
    """
    _try_lock.send(conn, queue=queue, revision=revision)
    rows_of = _claim_calls.send(
        conn,
        queue=queue,
        revision=revision,
        limit=limit,
        lease_ms=lease_ms,
        worker=worker,
        ignore_due=ignore_due,
        skip_dead=skip_dead,
        **leases.look_from(start),
    )
    return lambda: _next(rows_of(), start)


def _next(claimed: Sequence[tuple[Any, ...]], start: Place) -> EndpointClaim | None:
    if not claimed:
        return None
    *_, last_place, asked, took_s, counted_s, limit_ends_in_ms, next_due_ms = claimed[-1]
    taken = [] if last_place is None else [rows.lease(row) for row in claimed]
    last = Place(taken[-1].job.priority, last_place) if taken else None
    scan = ScanResult(start=start, asked=asked, found=len(taken), last=last, took_s=took_s)
    return EndpointClaim(
        leases=taken, scan=scan, counted_s=counted_s, limit_ends_in_ms=limit_ends_in_ms, next_due_ms=next_due_ms
    )


def pause(conn: Connection, *, queue: str, revision: str, pause_ms: int) -> None:
    """Pause the endpoint for `pause_ms`. Waits for a dispatcher that has it locked."""
    _pause.rows(conn, queue=queue, revision=revision, pause_ms=pause_ms)


def switch_off(conn: Connection, *, queue: str, revision: str, reason: str) -> bool:
    """Switch the endpoint off until it is switched on or registered; return if it was on. Waits as `pause` does."""
    return bool(_switch_off.rows(conn, queue=queue, revision=revision, reason=reason))


def switch_on(conn: Connection, *, queue: str) -> str | None:
    """Switch the endpoint on; return why it was off, None if it was not, or is none. Waits as `pause` does."""
    found = _switch_on.rows(conn, queue=queue)
    return str(found[0].reason) if found else None


def stalls_allowed(conn: Connection, *, queue: str) -> int | None:
    """Return how many stalls the endpoint of `queue` allows a job; None without an endpoint or such a limit."""
    rows = _stalls_allowed.rows(conn, queue=queue)
    return int(rows[0].max_stalled_count) if rows else None


def lock(conn: Connection, *, queue: str) -> Sealed | None:
    """Lock the endpoint of `queue` and return its encrypted values; None if it was removed."""
    rows = _lock.rows(conn, queue=queue)
    return Sealed(headers=bytes(rows[0].headers), secrets=bytes(rows[0].secrets)) if rows else None


def reseal(conn: Connection, *, queue: str, sealed: Sealed) -> None:
    """Store the same values, encrypted with another key; call `lock` first."""
    _reseal.rows(conn, queue=queue, headers=sealed.headers, secrets=sealed.secrets)
