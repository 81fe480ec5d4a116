"""The result of a committed exchange reaches the caller, even if the database goes away right after the commit."""

from collections.abc import Iterator

import pytest

from app.domain.job import Completion, JsonText
from app.infra.settings import Settings
from app.operations import endpoints, exchange, jobs
from app.operations.claim import Ask
from app.postgres.database import Database, DatabaseError
from app.queries import endpoints as queries
from tests.support import databases, faultproxy, receivers
from tests.support.faultproxy import Fault, FaultProxy
from tests.support.jobs import QUEUE, new

ONE = Ask(limit=1, lease_ms=60_000, worker="push:1")


@pytest.fixture
def proxy(own_url: str) -> Iterator[FaultProxy]:
    with faultproxy.before(databases.as_owner(own_url)) as proxy:
        yield proxy


@pytest.fixture
def away(proxy: FaultProxy) -> Iterator[Database]:
    """A database that can be made to go away, with an endpoint and two jobs."""
    db = Database(Settings(), url=proxy.url, size=4, name="rowline-test")
    receivers.register(db, "https://example.com/", concurrency=9)
    jobs.submit_many(db, queue=QUEUE, new=[new("a"), new("b")])
    yield db
    db.close()


def test_jobs_that_a_worker_took_are_given_to_it_though_a_repeated_word_could_not_be_looked_up(
    away: Database, proxy: FaultProxy
) -> None:
    [first] = exchange.exchange(away, queue=QUEUE, completions=[], ask=ONE).taken
    said = [Completion(lease=first.key, result=JsonText("1"))]
    exchange.exchange(away, queue=QUEUE, completions=said)

    proxy.fault = Fault.CUT_BEFORE_COMMIT
    done = exchange.exchange(away, queue=QUEUE, completions=said, ask=ONE)

    assert ([job.name for job in done.taken], set(done.unknown), done.completed) == (["b"], {first.key.number}, set())
    with pytest.raises(DatabaseError):
        exchange.exchange(away, queue=QUEUE, completions=said, ask=ONE)


def test_jobs_that_a_dispatcher_took_are_given_to_it_too(away: Database, proxy: FaultProxy) -> None:
    revision = queries.revisions(away)[QUEUE]
    [first] = endpoints.exchange_calls(away, queue=QUEUE, revision=revision, ask=ONE).leases
    said = [Completion(lease=first.key, result=JsonText("1"))]
    exchange.exchange(away, queue=QUEUE, completions=said)

    proxy.fault = Fault.CUT_BEFORE_COMMIT
    turn = endpoints.exchange_calls(away, queue=QUEUE, revision=revision, ask=ONE, completions=said)

    assert ([lease.job.name for lease in turn.leases], set(turn.unknown)) == (["b"], {first.job.number})
