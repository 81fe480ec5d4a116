"""The source of an endpoint's jobs: the database, within the concurrency and the limiter of the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.job import Completion, Lease
from app.infra.settings import Settings
from app.operations import endpoints
from app.operations.claim import Ask
from app.postgres.database import Database, DatabaseError
from app.worker.sources import ClaimedJobs, DatabaseSource, SourceExchange, SourceUnavailable

FALLBACK_POLL_MS = 600_000
"""How often an endpoint dispatcher claims without being woken: the dispatcher polls for all of them, and wakes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased(ClaimedJobs):
    """The result of a claim with whole jobs, since calls send all fields."""

    leases: list[Lease]


class EndpointSource(DatabaseSource):
    """The jobs of one endpoint, for one revision of its registration."""

    def __init__(self, settings: Settings, db: Database, *, queue: str, revision: str, worker: str) -> None:
        """Prepare. `worker` must begin with `push:`."""
        super().__init__(settings, db, queue=queue, worker=worker)
        self._revision = revision

    def exchange(self, completions: Sequence[Completion], *, limit: int) -> SourceExchange:
        """Complete and claim in one transaction, within the endpoint's limits over all dispatchers."""
        if not limit:
            return super().exchange(completions, limit=0)
        ask = Ask(limit=limit, lease_ms=self._settings.lease_ms, worker=self._worker)
        try:
            exchanged = endpoints.exchange_calls(
                self._db,
                queue=self._queue,
                revision=self._revision,
                ask=ask,
                completions=completions,
                cursor=self.cursor,
            )
        except DatabaseError as error:
            raise SourceUnavailable(str(error)) from error
        taken = [lease.taken for lease in exchanged.leases]
        claimed = Leased(
            taken=taken, leases=exchanged.leases, next_claim_ms=exchanged.next_claim_ms, poll_ms=FALLBACK_POLL_MS
        )
        return SourceExchange(completed=exchanged.completed, claimed=claimed, unknown=exchanged.unknown)
