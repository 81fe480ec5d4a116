"""A pause under 16 busy claimers of all ways: no job is handed out after the answer, in 1,000 trials."""

import threading
import time
from collections.abc import Iterator

from app.domain.retention import Keep
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import jobs, queues
from app.postgres.database import Database
from app.queries import endpoints
from app.store import counts
from tests.measured.figure import Figure
from tests.races.test_pause import CLAIMERS, WAYS
from tests.support import clusters, databases, receivers
from tests.support.acting import ACTOR
from tests.support.jobs import new

TRIALS = 1_000
BACKLOG = 2_000
GONE = new(remove_on_complete=Keep(count=0))
"""A job that goes when it is done: ten thousand trials would not make a look slower."""
WATCHED_S = 0.02  # how long is looked for late claims after each answer


def measure() -> Iterator[Figure]:
    """Pause, look for claims that become visible after the answer, resume; by turns."""
    with clusters.cluster() as cluster:
        url = databases.prepare(cluster.url)
        service = Database(Settings(), url=url, size=CLAIMERS, name="rowline-worker", limit_ms=60_000)
        person = Database(Settings(), url=url, size=1, name="rowline-queues", limit_ms=60_000)
        receivers.register(service, "https://example.com/", concurrency=1_000)
        revision, over = endpoints.revisions(service)["q"], threading.Event()

        def claimer(nth: int) -> None:
            way = list(WAYS.values())[nth % len(WAYS)]
            while not over.is_set():
                way(service, revision)

        threads = [threading.Thread(target=claimer, args=(nth,)) for nth in range(CLAIMERS)]
        for thread in threads:
            thread.start()
        try:
            trials = [_trial(service, person) for _ in range(TRIALS)]
        finally:
            over.set()
            for thread in threads:
                thread.join()
            service.close()
            person.close()
    late, unfinished, lasted = (list(column) for column in zip(*trials, strict=True))
    lasted.sort()
    yield Figure(
        promise=f"no job is handed out after a pause was answered, in {TRIALS:,} trials with {CLAIMERS} claimers",
        seen=f"{sum(late)} late; a pause took {lasted[TRIALS // 2] * 1000:.0f} ms, {lasted[-1] * 1000:.0f} at most",
        is_kept=sum(late) == 0 and sum(unfinished) == 0,
    )


def _trial(service: Database, person: Database) -> tuple[bool, int, float]:
    """Return whether a claim became visible after the answer, how many were in flight then, and how long it took."""
    if queues.resume(person, actor=ACTOR, queue="q").counts[Status.WAITING] < BACKLOG:
        jobs.submit_many(service, queue="q", new=[GONE] * BACKLOG)
    began_at = time.monotonic()
    in_flight = queues.pause(person, actor=ACTOR, queue="q", reason=None).claims_in_flight
    lasted_s = time.monotonic() - began_at
    before = _waiting(person)
    time.sleep(WATCHED_S)
    return _waiting(person) != before, in_flight, lasted_s


def _waiting(person: Database) -> int:
    """Return how many jobs wait: each claim takes some away, and nobody adds any."""
    with person.read_once() as conn:
        return counts.count(conn, queue="q")[Status.WAITING]
