"""What a claim says of the jobs that it does not give."""

from app.domain.job import NewJob
from app.operations import claim
from app.operations import jobs as operations
from app.operations.claim import Claimed
from app.postgres.database import Database
from tests.support.jobs import QUEUE, new


def take(db: Database, *jobs: NewJob, limit: int) -> Claimed:
    operations.submit_many(db, queue=QUEUE, new=jobs)
    return claim.claim(db, queue=QUEUE, limit=limit, lease_ms=60_000, worker="w")


def test_only_who_gets_less_than_it_asked_for_is_told_when_the_next_job_is_due(db: Database) -> None:
    full = take(db, new(), new(), new(delay_ms=60_000), limit=2)
    assert (len(full.leases), full.next_due_ms) == (2, None)

    short = take(db, new(), limit=2)
    assert len(short.leases) == 1
    assert 0 < (short.next_due_ms or 0) <= 60_000
