"""Endpoints: clients register and delete them; dispatchers claim for them, pause them and switch them off."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from app.domain.audit import Act, Actor
from app.domain.endpoint import EndpointState, NewEndpoint
from app.domain.errors import TooManyEndpoints, WorkerNotFound
from app.domain.job import Completion, Lease
from app.domain.scan import ScanCursor
from app.infra.vault import Vault
from app.operations import claim, exchange, operation
from app.operations.claim import Ask
from app.postgres.database import Connection, Database
from app.store import audit, endpoint_states, endpoints, leases
from app.store.endpoints import EndpointClaim, Sealed

TOPIC = "/endpoints"  # notified when one is registered, removed or switched off; no valid queue name has a slash
CLAIM_MAX = 32  # jobs in one claim, so that other dispatchers can claim in between
DISPATCHER = Actor(id="dispatcher")
SHARING_MS = 20  # how long other dispatchers may claim: those that hold the lock, or have a share of the free calls


@operation
def register(db: Database, *, actor: Actor, new: NewEndpoint, vault: Vault, max_endpoints: int) -> None:
    """Register the endpoint of a queue, or replace it. The audit says whose secret signs: its own, or the service's.

    Raises VaultError before anything is written, and TooManyEndpoints if there would be more than `max_endpoints`.
    """
    sealed = Sealed(headers=vault.seal(dict(new.headers)), secrets=vault.seal(list(new.secrets)))
    with db.begin() as conn:
        before = endpoints.describe(conn, queue=new.queue)
        if endpoints.register(conn, new=new, sealed=sealed) and endpoints.count_all(conn) > max_endpoints:
            raise TooManyEndpoints(
                f"there are {max_endpoints} endpoints already: remove one, or raise ROWLINE_MAX_ENDPOINTS"
            )
        signed_by = {"signedBy": "endpoint" if new.secrets else "service"}
        after = (endpoints.describe(conn, queue=new.queue) or {}) | signed_by
        audit.note(conn, actor, Act(action="workers.register", queue=new.queue, before=before, after=after))
    db.notify(TOPIC)


@operation
def remove(db: Database, *, actor: Actor, queue: str) -> None:
    """Remove the endpoint of `queue`; running calls may end. Raises WorkerNotFound."""
    with db.begin() as conn:
        before = endpoints.describe(conn, queue=queue)
        if not endpoints.remove(conn, queue=queue):
            raise WorkerNotFound("Worker not found")
        audit.note(conn, actor, Act(action="workers.remove", queue=queue, before=before))
    db.notify(TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointExchange:
    """The completed jobs, by number, and the new leases. `next_claim_ms`: ms until the next claim at the latest.

    A delayed job is due then, a limit allows another call, or other dispatchers have had their share; None if it waits
    for none of them. `unknown` is as in `Exchanged`.
    """

    completed: Collection[int]
    leases: list[Lease]
    next_claim_ms: int | None
    unknown: Collection[int] = ()


@operation
def exchange_calls(
    db: Database,
    *,
    queue: str,
    revision: str,
    ask: Ask,
    completions: Sequence[Completion] = (),
    cursor: ScanCursor | None = None,
) -> EndpointExchange:
    """Complete attempts and lease the next jobs: as many as the endpoint's concurrency and limiter allow.

    One transaction. The claim locks the endpoint's row, so that only one dispatcher at a time counts the running calls;
    while another dispatcher holds the lock, attempts are completed and nothing is claimed. Delayed jobs that are due
    are promoted in a transaction before the claim. `ask.worker` must begin with `push:`, by which running calls are
    counted; `cursor` is as in `claim.claim`. A job that is not among the completed had lost its lease.
    """
    cursor = cursor or ScanCursor()
    with db.pipeline() as conn:
        completed_by = leases.send_complete(conn, queue=queue, completions=completions) if completions else set[int]
        found_by = _send_claim(conn, queue, revision, ask, cursor, ignore_due=False)
    in_time, found = completed_by(), found_by()
    is_any_taken = bool(found and found.leases)
    completed, unknown = exchange.retry_completions(
        db, queue=queue, completions=completions, completed=in_time, is_any_taken=is_any_taken
    )
    if found and found.next_due_ms == 0:
        with db.begin() as conn:
            claim.promote(conn, queue=queue)
        with db.pipeline() as conn:
            found_by = _send_claim(conn, queue, revision, ask, cursor, ignore_due=True)
        found = found_by()
    if found is None:
        return EndpointExchange(completed=completed, leases=[], next_claim_ms=SHARING_MS)
    cursor.note_count(found.counted_s, now_s=time.monotonic())
    if found.scan.asked:
        cursor.note(found.scan, now_s=time.monotonic())
    next_claim_ms = found.limit_ends_in_ms or claim.next_claim_in_ms(found.scan, cursor, found.next_due_ms)
    # It left calls to others, or the limiter has closed behind it; or calls still counted that have ended since.
    if (found.leases and not found.scan.is_short) or len(completed) > len(in_time):
        next_claim_ms = SHARING_MS
    return EndpointExchange(completed=completed, leases=found.leases, next_claim_ms=next_claim_ms, unknown=unknown)


def _send_claim(
    conn: Connection, queue: str, revision: str, ask: Ask, cursor: ScanCursor, *, ignore_due: bool
) -> Callable[[], EndpointClaim | None]:
    now_s = time.monotonic()
    return endpoints.send_claim(
        conn,
        queue=queue,
        revision=revision,
        limit=ask.limit,
        lease_ms=ask.lease_ms,
        worker=ask.worker,
        start=cursor.start(now_s=now_s),
        ignore_due=ignore_due,
        skip_dead=cursor.skips_dead(now_s=now_s),
    )


@operation
def pause(db: Database, *, queue: str, revision: str, pause_ms: int) -> None:
    """Pause the endpoint for `pause_ms`: no dispatcher sends to it meanwhile."""
    with db.begin() as conn:
        endpoints.pause(conn, queue=queue, revision=revision, pause_ms=pause_ms)


@operation
def switch_off(db: Database, *, queue: str, revision: str, reason: str) -> bool:
    """Switch the endpoint off until it is switched on, or registered again; return whether it was on."""
    with db.begin() as conn:
        was_on = endpoints.switch_off(conn, queue=queue, revision=revision, reason=reason)
        if was_on:
            audit.note(conn, DISPATCHER, Act(action="workers.switch_off", queue=queue, after={"reason": reason}))
    db.notify(TOPIC)
    return was_on


@operation
def switch_on(db: Database, *, actor: Actor, queue: str) -> EndpointState:
    """Switch the endpoint of `queue` on, and return it; one that is on stays as it is. Raises WorkerNotFound."""
    with db.begin() as conn:
        reason = endpoints.switch_on(conn, queue=queue)
        state = endpoint_states.find(conn, queue=queue)
        if state is None:
            raise WorkerNotFound("Worker not found")
        before = None if reason is None else {"reason": reason}
        act = Act(action="workers.switch_on", queue=queue, affected=int(reason is not None), before=before)
        audit.note(conn, actor, act)
    db.notify(TOPIC)
    return state


@operation
def reseal(db: Database, *, actor: Actor, queue: str, again: Callable[[bytes], bytes]) -> bool:
    """Re-encrypt the secrets of the endpoint of `queue` by `again`; return whether there is one. Locks its row."""
    with db.begin() as conn:
        sealed = endpoints.lock(conn, queue=queue)
        if sealed is None:
            return False
        endpoints.reseal(conn, queue=queue, sealed=Sealed(headers=again(sealed.headers), secrets=again(sealed.secrets)))
        audit.note(conn, actor, Act(action="workers.reencrypt", queue=queue))
    return True
