"""Endpoints: registered by clients, kept to their limits and switched off by dispatchers."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from app.domain.endpoint import NewEndpoint
from app.domain.errors import TooManyEndpoints, WorkerNotFound
from app.domain.job import Completion, Lease
from app.domain.scan import ScanCursor
from app.infra.database import Connection, Database
from app.infra.vault import Vault
from app.operations import claim, exchange, operation
from app.operations.claim import Ask
from app.store import endpoints, leases
from app.store.endpoints import Next, Sealed

TOPIC = "/endpoints"  # announced when one is registered, removed or switched off; no queue can be called so
CLAIM_MOST = 32  # jobs in one claim: what one dispatcher takes before others have their turn
LOCKED_MS = 20  # the pause after another dispatcher had the turn


@operation
def register(db: Database, *, new: NewEndpoint, vault: Vault, most: int) -> None:
    """Write the endpoint of a queue over the one that was there.

    Raises VaultError before anything is written, TooManyEndpoints when there would be more than `most`.
    """
    sealed = Sealed(headers=vault.seal(dict(new.headers)), secrets=vault.seal(list(new.secrets)))
    with db.begin() as conn:
        if endpoints.register(conn, new=new, sealed=sealed) and endpoints.count_all(conn) > most:
            raise TooManyEndpoints(f"there are {most} endpoints already: remove one, or raise ROWLINE_MAX_ENDPOINTS")
    db.announce(TOPIC)


@operation
def remove(db: Database, *, queue: str) -> None:
    """Remove the endpoint of `queue`; calls that run may end. Raises WorkerNotFound."""
    with db.begin() as conn:
        is_removed = endpoints.remove(conn, queue=queue)
    if not is_removed:
        raise WorkerNotFound("Worker not found")
    db.announce(TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The numbers of the jobs that are completed, and what was leased. `next_due_ms`: when to take again at the latest.

    That is when a delayed job is due, or a limit leaves room again; None if neither is what holds it up. `unknown` is
    as in `Exchanged`.
    """

    completed: Collection[int]
    leases: list[Lease]
    next_due_ms: int | None
    unknown: Collection[int] = ()


@operation
def take(
    db: Database,
    *,
    queue: str,
    revision: str,
    ask: Ask,
    completions: Sequence[Completion] = (),
    cursor: ScanCursor | None = None,
) -> Turn:
    """End attempts well, and lease the next jobs: as many as the endpoint's concurrency and limiter leave.

    One transaction, in which the endpoint's row is locked for the claim: no other dispatcher counts meanwhile. While
    another has it, outcomes are told and nothing is claimed. A delayed job that is due joins the line in a transaction
    before the claim. `ask.worker` begins with `push:`, by which calls under way are counted; `cursor` is as in
    `claim.claim`. What is not among the completed had lost its lease.
    """
    cursor = cursor or ScanCursor()
    with db.together() as conn:
        completed_by = leases.send_complete(conn, queue=queue, completions=completions) if completions else set[int]
        found_by = _send_claim(conn, queue, revision, ask, cursor, past_due=False)
    completed, found = completed_by(), found_by()
    is_any_taken = bool(found and found.leases)
    completed, unknown = exchange.looked_again(
        db, queue=queue, completions=completions, completed=completed, is_any_taken=is_any_taken
    )
    if found and found.next_due_ms == 0:
        with db.begin() as conn:
            claim.promote(conn, queue=queue)
        with db.together() as conn:
            found_by = _send_claim(conn, queue, revision, ask, cursor, past_due=True)
        found = found_by()
    if found is None:
        return Turn(completed=completed, leases=[], next_due_ms=LOCKED_MS)
    cursor.note_count(found.counted_s, now_s=time.monotonic())
    if found.scan.asked:
        cursor.note(found.scan, now_s=time.monotonic())
    next_due_ms = found.opens_in_ms or claim.again_in_ms(found.scan, cursor, found.next_due_ms)
    return Turn(completed=completed, leases=found.leases, next_due_ms=next_due_ms, unknown=unknown)


def _send_claim(
    conn: Connection, queue: str, revision: str, ask: Ask, cursor: ScanCursor, *, past_due: bool
) -> Callable[[], Next | None]:
    now_s = time.monotonic()
    return endpoints.send_claim(
        conn,
        queue=queue,
        revision=revision,
        limit=ask.limit,
        lease_ms=ask.lease_ms,
        worker=ask.worker,
        start=cursor.start(now_s=now_s),
        past_due=past_due,
        past_dead=cursor.counts_past_dead(now_s=now_s),
    )


@operation
def pause(db: Database, *, queue: str, revision: str, pause_ms: int) -> None:
    """Have no dispatcher send anything to the endpoint for `pause_ms`."""
    with db.begin() as conn:
        endpoints.pause(conn, queue=queue, revision=revision, pause_ms=pause_ms)


@operation
def switch_off(db: Database, *, queue: str, revision: str, reason: str) -> bool:
    """Have no dispatcher send anything until the endpoint is registered again; say whether it was on."""
    with db.begin() as conn:
        was_on = endpoints.switch_off(conn, queue=queue, revision=revision, reason=reason)
    db.announce(TOPIC)
    return was_on


@operation
def reseal(db: Database, *, queue: str, again: Callable[[bytes], bytes]) -> bool:
    """Seal the secrets of `queue` `again`; say whether it has an endpoint. One transaction, in which it is locked."""
    with db.begin() as conn:
        sealed = endpoints.hold(conn, queue=queue)
        if sealed is None:
            return False
        endpoints.reseal(conn, queue=queue, sealed=Sealed(headers=again(sealed.headers), secrets=again(sealed.secrets)))
    return True
