"""How many instructions of ours a request takes, and each job more in it: what holds on any machine, however busy.

Python's instructions in `app/` are counted, not those of libraries. A limit is at most a tenth above what was
counted when it was set: who goes over it has made every request slower, and says in a decision record what for.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rowline import child, handler, tracing

from app.domain.job import Completion, JsonText
from app.domain.scan import ScanCursor
from app.operations import claim, exchange
from app.postgres import notify
from app.postgres.database import Database
from tests.support.client import Client
from tests.support.instructions import instructions

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the limits are of Python 3.11, as CI has it")
JOBS = "/queues/q/jobs"
JOB = {"name": "n", "data": {"to": "somebody@example.com", "template": "welcome"}}
FEW, MANY = 50, 100


def a_job(call: Callable[[int], object]) -> float:
    """Count what each job takes more in a call that is about many."""
    return (instructions(lambda: call(MANY)) - instructions(lambda: call(FEW))) / (MANY - FEW)


@pytest.fixture
def post(client: Client) -> Callable[[int], None]:
    """Add so many jobs."""

    def add(count: int) -> None:
        assert client.post(JOBS, json.dumps([JOB] * count)).status_code == 200

    return add


@pytest.fixture
def backlog(post: Callable[[int], None]) -> None:
    for _ in range(40):
        post(MANY)


def test_adding(post: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "INTERVAL_S", 0)  # so that each is announced by itself
    assert instructions(lambda: post(1)) <= 4_060
    assert a_job(post) <= 600


def test_a_job_that_replaces_another_costs_the_same_among_many(client: Client) -> None:
    def add(count: int) -> None:
        ids = ({"id": f"i{nth}", "replace": True} for nth in range(count))
        jobs = [JOB | {"opts": {"delay": 3_600_000, "deduplication": one}} for one in ids]
        assert client.post(JOBS, json.dumps(jobs)).status_code == 200

    assert instructions(lambda: add(4 * MANY)) <= 4.4 * instructions(lambda: add(MANY))


def test_reading(client: Client, post: Callable[[int], None]) -> None:
    post(MANY)
    [job] = client.add(JOB)

    def page(length: int) -> None:
        assert len(json.loads(client.get(f"{JOBS}?length={length}").text)["jobs"]) == length

    assert instructions(lambda: client.get(f"{JOBS}/{job['id']}")) <= 2_200
    assert instructions(lambda: page(10)) <= 4_700
    assert a_job(page) <= 197


@pytest.mark.usefixtures("backlog")
def test_claiming_and_finishing_over_http(client: Client) -> None:
    leases: list[dict[str, Any]] = []

    def claim_some(count: int) -> None:
        leases[:] = json.loads(client.post(f"{JOBS}/claim", json.dumps({"count": count})).text)["jobs"]
        assert len(leases) == count

    def finish(count: int) -> None:
        """Finish what is held, and claim as many."""
        told = [{"id": held["job"]["id"], "token": held["token"], "returnvalue": 1} for held in leases]
        body = {"jobs": told, "claim": {"count": count}}
        leases[:] = json.loads(client.post(f"{JOBS}/finish", json.dumps(body)).text)["jobs"]
        assert len(leases) == count

    assert instructions(lambda: claim_some(1)) <= 4_140
    assert a_job(claim_some) <= 275
    claim_some(1)
    assert instructions(lambda: finish(1)) <= 5_480
    assert a_job(finish) <= 915


@pytest.mark.usefixtures("backlog")
def test_what_a_worker_asks_the_database(db: Database) -> None:
    held: list[Completion] = []
    cursor = ScanCursor()

    def turn(count: int) -> None:
        ask = claim.Ask(limit=count, lease_ms=60_000, worker="w")
        found = exchange.exchange(db, queue="q", completions=held, ask=ask, cursor=cursor)
        held[:] = [Completion(lease=job.key, result=JsonText("null")) for job in found.taken]
        assert len(held) == count

    assert instructions(lambda: turn(1)) <= 2_090
    assert a_job(turn) <= 148


def test_running_a_job_in_a_handler_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, tracing.LOADED, raising=False)  # another test of this process may trace
    handler("instructions")(lambda _job: None)
    inbox = child.Inbox()

    def work(count: int) -> None:
        inbox.put("q", [[nth, "1", "instructions", 1, {}, 0, 1, 0, "token"] for nth in range(count)])
        for nth in range(count):
            fields, attempt = inbox.take(nth)
            assert child.run(fields, attempt) == "null"
            inbox.forget(nth)

    assert a_job(work) <= 165
