"""Endpoints: registered by clients, kept to their limits and switched off by dispatchers."""

from collections.abc import Callable

from app.domain.endpoint import NewEndpoint
from app.domain.errors import WorkerNotFound
from app.domain.mark import Mark
from app.infra.database import Database
from app.infra.vault import Vault
from app.operations import claim, operation
from app.operations.claim import Ask, Claimed
from app.store import endpoints
from app.store.endpoints import Sealed

TOPIC = "/endpoints"  # announced when one is registered, removed or switched off; no queue can be called so
CLAIM_MOST = 32  # jobs in one claim: what one dispatcher takes before others have their turn
LOCKED_MS = 20  # the pause after another dispatcher had the turn


@operation
def register(db: Database, *, new: NewEndpoint, vault: Vault) -> None:
    """Write the endpoint of a queue over the one that was there. Raises VaultError before anything is written."""
    sealed = Sealed(headers=vault.seal(dict(new.headers)), secrets=vault.seal(list(new.secrets)))
    with db.begin() as conn:
        endpoints.register(conn, new=new, sealed=sealed)
    db.announce(TOPIC)


@operation
def remove(db: Database, *, queue: str) -> None:
    """Remove the endpoint of `queue`; calls that run may end. Raises WorkerNotFound."""
    with db.begin() as conn:
        is_removed = endpoints.remove(conn, queue=queue)
    if not is_removed:
        raise WorkerNotFound("Worker not found")
    db.announce(TOPIC)


@operation
def take(db: Database, *, queue: str, revision: str, lease_ms: int, worker: str, mark: Mark | None = None) -> Claimed:
    """Lease the next jobs of `queue`, as many as its endpoint's concurrency and limiter leave over all dispatchers.

    One transaction, in which the endpoint's row is locked: no other dispatcher counts meanwhile. `worker` begins
    with `push:`, by which calls under way are counted; `mark` is as in `claim.claim`. `next_due_ms` is also set when
    a limit is what holds it up.
    """
    with db.begin() as conn:
        turn = endpoints.take_turn(conn, queue=queue, revision=revision)
        if turn is None:
            return Claimed(leases=[], next_due_ms=LOCKED_MS)
        if not turn.free:
            return Claimed(leases=[], next_due_ms=turn.wait_ms)
        ask = Ask(limit=min(turn.free, CLAIM_MOST), lease_ms=lease_ms, worker=worker)
        claimed = claim.claimed(conn, queue=queue, ask=ask, mark=mark)
        if turn.is_limited and claimed.leases:
            endpoints.count_calls(conn, queue=queue, calls=len(claimed.leases))
    return claimed


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
