"""Endpoints: where dispatchers send the jobs of a queue, and the limits that all of them keep together."""

from dataclasses import dataclass

from app.domain.endpoint import NewEndpoint, Turn
from app.infra.database import Connection
from app.store.statements import Statement

_register = Statement("endpoints/register")
_remove = Statement("endpoints/remove")
_take_turn = Statement("endpoints/take_turn")
_under_way = Statement("endpoints/under_way")
_count_calls = Statement("endpoints/count_calls")
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


def register(conn: Connection, *, new: NewEndpoint, sealed: Sealed) -> str:
    """Write the endpoint of a queue over the one that was there; return its revision."""
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
    return str(row.revision)


def remove(conn: Connection, *, queue: str) -> bool:
    """Remove the endpoint of `queue`; say whether there was one."""
    return bool(_remove.rows(conn, queue=queue))


def take_turn(conn: Connection, *, queue: str, revision: str) -> Turn | None:
    """Lock the endpoint until the transaction ends, and say what may be claimed; `count_calls` of it afterwards.

    Waits for nobody. None: another dispatcher has it, or this revision is there no more, or switched off.
    """
    rows = _take_turn.rows(conn, queue=queue, revision=revision)
    if not rows:
        return None
    row = rows[0]
    if row.paused_ms is not None and row.paused_ms > 0:
        return Turn(free=0, wait_ms=row.paused_ms, is_limited=False)
    free = max(0, row.concurrency - _under_way.rows(conn, queue=queue)[0].calls)
    if row.window_left is None:
        return Turn(free=free, wait_ms=None, is_limited=False)
    wait_ms = row.window_ms if row.window_left == 0 else None
    return Turn(free=min(free, row.window_left), wait_ms=wait_ms, is_limited=True)


def count_calls(conn: Connection, *, queue: str, calls: int) -> None:
    """Count `calls` in the limiter's window. The caller has the turn."""
    _count_calls.rows(conn, queue=queue, calls=calls)


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
