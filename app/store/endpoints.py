"""Endpoints: where dispatchers send the jobs of a queue, and the limits that all of them keep together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.endpoint import NewEndpoint
from app.domain.job import Lease
from app.domain.scan import Place, ScanResult
from app.postgres.database import Connection
from app.store import leases, rows
from app.store.statements import Statement

_register = Statement("endpoints/register")
_remove = Statement("endpoints/remove")
_count_all = Statement("endpoints/count_all")
_take_turn = Statement("endpoints/take_turn")
_claim_calls = Statement("endpoints/claim_calls")
_pause = Statement("endpoints/pause")
_switch_off = Statement("endpoints/switch_off")
_stalls_allowed = Statement("endpoints/stalls_allowed")
_hold = Statement("endpoints/hold")
_reseal = Statement("endpoints/reseal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What an endpoint keeps secret, as stored."""

    headers: bytes
    secrets: bytes


def register(conn: Connection, *, new: NewEndpoint, sealed: Sealed) -> bool:
    """Write the endpoint of a queue over the one that was there; say whether there was none."""
    [row] = _register.rows(
        conn,
        queue=new.queue,
        url=new.url,
        method=new.method,
        headers=sealed.headers,
        secrets=sealed.secrets,
        timeout_ms=new.timeout_ms,
        concurrency=new.concurrency,
        limiter_max=new.limiter and new.limiter.most,
        limiter_ms=new.limiter and new.limiter.window_ms,
        max_stalled_count=new.max_stalled_count,
    )
    return bool(row.is_new)


def count_all(conn: Connection) -> int:
    """Return how many endpoints there are, those of transactions that run not counted."""
    [row] = _count_all.rows(conn)
    return int(row.number)


def remove(conn: Connection, *, queue: str) -> bool:
    """Remove the endpoint of `queue`; say whether there was one."""
    return bool(_remove.rows(conn, queue=queue))


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What a claim for calls found.

    `opens_in_ms`: until the limiter or a pause leaves room again, when that is what leaves none. `next_due_ms`: until a
    delayed job is due, None if none is delayed. `counted_s`: how long it took to count the calls under way.
    """

    leases: list[Lease]
    scan: ScanResult
    counted_s: float
    opens_in_ms: int | None
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
    past_due: bool,
    past_dead: bool = False,
) -> Callable[[], Next | None]:
    """Take the turn and lease what the endpoint's limits leave, in a block of `Database.together`; answers after it.

    The endpoint stays locked until the transaction ends. Waits for nobody. None: another dispatcher has it, or this
    revision is there no more, or switched off. With `next_due_ms` 0 nothing was claimed, unless `past_due`: what is due
    has to join the line first. `past_dead` finds the same, sooner where many leases have ended that a snapshot keeps.
    """
    _take_turn.send(conn, queue=queue, revision=revision)
    rows_of = _claim_calls.send(
        conn,
        queue=queue,
        revision=revision,
        limit=limit,
        lease_ms=lease_ms,
        worker=worker,
        past_due=past_due,
        past_dead=past_dead,
        **leases.look_from(start),
    )
    return lambda: _next(rows_of(), start)


def _next(claimed: Sequence[tuple[Any, ...]], start: Place) -> Next | None:
    if not claimed:
        return None
    *_, last_place, asked, took_s, counted_s, opens_in_ms, next_due_ms = claimed[-1]
    taken = [] if last_place is None else [rows.lease(row) for row in claimed]
    last = Place(taken[-1].job.priority, last_place) if taken else None
    scan = ScanResult(start=start, asked=asked, found=len(taken), last=last, took_s=took_s)
    return Next(leases=taken, scan=scan, counted_s=counted_s, opens_in_ms=opens_in_ms, next_due_ms=next_due_ms)


def pause(conn: Connection, *, queue: str, revision: str, pause_ms: int) -> None:
    """Have nothing be sent for `pause_ms`. Waits for whoever has the turn."""
    _pause.rows(conn, queue=queue, revision=revision, pause_ms=pause_ms)


def switch_off(conn: Connection, *, queue: str, revision: str, reason: str) -> bool:
    """Have nothing be sent until the endpoint is registered again; say whether it was on."""
    return bool(_switch_off.rows(conn, queue=queue, revision=revision, reason=reason))


def stalls_allowed(conn: Connection, *, queue: str) -> int | None:
    """Return how many stalls the endpoint of `queue` grants a job; None if there is none, or it says nothing."""
    rows = _stalls_allowed.rows(conn, queue=queue)
    return int(rows[0].max_stalled_count) if rows else None


def hold(conn: Connection, *, queue: str) -> Sealed | None:
    """Lock the endpoint of `queue` and read what is sealed of it; None if it is gone."""
    rows = _hold.rows(conn, queue=queue)
    return Sealed(headers=bytes(rows[0].headers), secrets=bytes(rows[0].secrets)) if rows else None


def reseal(conn: Connection, *, queue: str, sealed: Sealed) -> None:
    """Write the same secrets under another key; `hold` them first."""
    _reseal.rows(conn, queue=queue, headers=sealed.headers, secrets=sealed.secrets)
