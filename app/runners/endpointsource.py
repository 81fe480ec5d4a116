"""Where an endpoint's jobs come from: the database, as far as the limits of their endpoint leave room."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.job import Completion, Lease
from app.infra.database import Database, DatabaseError
from app.infra.settings import Settings
from app.operations import endpoints
from app.operations.claim import Ask
from app.runners.sources import Claimed, DatabaseSource, Exchanged, SourceUnavailable

UNASKED_MS = 600_000
"""How often an endpoint dispatcher looks by itself: the dispatcher watches the queues of all of them, and wakes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased(Claimed):
    """What a claim brought, with all that is known of each job: calls tell all of it."""

    leases: list[Lease]


class EndpointSource(DatabaseSource):
    """The jobs of one endpoint as it was registered once."""

    def __init__(self, settings: Settings, db: Database, *, queue: str, revision: str, worker: str) -> None:
        """Prepare. `worker` begins with `push:`."""
        super().__init__(settings, db, queue=queue, worker=worker)
        self._revision = revision

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> Exchanged:
        """Do both in one transaction, and take no more than the endpoint's limits leave over all dispatchers."""
        if not limit:
            return super().exchange(completions, limit=0)
        ask = Ask(limit=limit, lease_ms=self._settings.lease_ms, worker=self._worker)
        try:
            turn = endpoints.take(
                self._db,
                queue=self._queue,
                revision=self._revision,
                ask=ask,
                completions=completions,
                cursor=self.cursor,
            )
        except DatabaseError as error:
            raise SourceUnavailable(str(error)) from error
        taken = [lease.taken for lease in turn.leases]
        claimed = Leased(taken=taken, leases=turn.leases, next_due_ms=turn.next_due_ms, poll_ms=UNASKED_MS)
        return Exchanged(completed=turn.completed, claimed=claimed, unknown=turn.unknown)
