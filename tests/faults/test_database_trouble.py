"""The database is away, frozen, cut off, full or locked: told within seconds as 503, and over as soon as it is over."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest

from app.domain.job import JsonText, NewJob
from app.infra.settings import Settings
from app.operations import jobs as operations
from app.operations.claim import Ask
from app.operations.longpoll import Waiting
from app.postgres.database import Database
from tests.support import clusters, databases, faultproxy
from tests.support.clusters import PYTHON, Cluster, Program, free_port, until
from tests.support.faultproxy import Fault, FaultProxy

TOLD_S = 100.0
"""The service's own limit of 3 s alone ends most of these waits; how long they take is a line of `make faults`."""
BODY = b'[{"name":"n","data":1},{"name":"n","data":2}]'
TOKEN = b'"token":"7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11"'
OTHERS = {
    "/queues/q/jobs/claim": b'{"wait":1000}',
    "/queues/q/jobs/1/complete": b"{" + TOKEN + b"}",
    "/queues/q/jobs/1/fail": b"{" + TOKEN + b"}",
    "/queues/q/jobs/1/extend": b"{" + TOKEN + b"}",
    "/queues/q/jobs/1/release": b"{" + TOKEN + b"}",
    "/queues/q/jobs/finish": b'{"jobs":[{"id":"1",' + TOKEN + b"}]}",
    "/queues/q/jobs/1/cancel": b"",
}
"""The ways to work a job, each with a body."""


@dataclass(frozen=True)
class Answer:
    """What came."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Api:
    """A running API, its database, and what lies between them."""

    port: int
    program: Program
    cluster: Cluster
    proxy: FaultProxy

    def ask(self, path: str = "/queues/q/jobs", data: bytes | None = None, **headers: str) -> Answer:
        request = Request(f"http://127.0.0.1:{self.port}{path}", data=data, headers={"Authorization": "Bearer t"})
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urlopen(request, timeout=TOLD_S) as found:
                status, said, body = found.status, found.headers, json.load(found)
        except HTTPError as error:
            with error:
                status, said, body = error.code, error.headers, json.load(error)
        return Answer(status, dict(said.items()), body)

    def workers(self) -> set[int]:
        """The pids of gunicorn's processes."""
        return {
            int(pid) for pid in Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children").read_text().split()
        }

    def log(self) -> str:
        """What the API has said of late."""
        with contextlib.suppress(AssertionError):
            self.program.expect("nothing that is ever said", within_s=0.1)
        return self.program.output[-4_000:]

    def stored(self) -> int:
        with psycopg.connect(self.cluster.url) as connection:
            return int(connection.execute("select count(*) from rowline.jobs").fetchall()[0][0])


@pytest.fixture(scope="module")
def api(postgres_bin: Path | None) -> Iterator[Api]:
    """An API as shipped, with a proxy before a PostgreSQL of its own."""
    with clusters.cluster(postgres_bin=postgres_bin, is_copy=True) as cluster, faultproxy.before(cluster.url) as proxy:
        databases.prepare(cluster.url)
        with serving(cluster, proxy) as api:
            yield api


@contextlib.contextmanager
def serving(cluster: Cluster, proxy: FaultProxy, **settings: str) -> Iterator[Api]:
    """Run an API through the proxy. `settings` are environment variables."""
    port, url = free_port(), databases.as_runtime(proxy.url)
    env = {"DATABASE_URL": url, "AUTH_TOKENS": "t", "PORT": str(port), "ROWLINE_API_PROCESSES": "1"} | settings
    with Program([*PYTHON, "-m", "app", "serve"], env=env) as program:
        program.expect("api_started")
        api = Api(port, program, cluster, proxy)
        assert api.ask().status == 200
        yield api


@contextlib.contextmanager
def killed(api: Api) -> Iterator[None]:
    api.cluster.kill()
    yield
    api.cluster.start()


@contextlib.contextmanager
def frozen(api: Api) -> Iterator[None]:
    """Stop every process of the server, as a machine that swaps itself to death would."""
    found = [api.cluster.pid, *children(api.cluster.pid)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    yield
    for pid in found:
        with contextlib.suppress(ProcessLookupError):  # a background worker was about to end
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def cut_off(api: Api) -> Iterator[None]:
    api.proxy.fault = Fault.SWALLOW
    yield
    api.proxy.fault = Fault.NONE


@contextlib.contextmanager
def full(api: Api) -> Iterator[None]:
    """Take every connection that the server has, also those that the API has."""
    with contextlib.ExitStack() as stack, psycopg.connect(api.cluster.url, autocommit=True) as connection:
        most = int(connection.execute("show max_connections").fetchall()[0][0])
        pids = [connection.info.backend_pid]

        def all_are_ours() -> bool:
            # Counted, not looked up: a connection that has just begun has its place, and is in no view.
            others = "from pg_stat_activity where backend_type = 'client backend' and pid <> all(%s)"
            connection.execute(f"select pg_terminate_backend(pid, 1000) {others}", [pids])
            with contextlib.suppress(psycopg.OperationalError):
                while len(pids) < most:
                    pids.append(stack.enter_context(psycopg.connect(api.cluster.url)).info.backend_pid)
            return len(pids) == most

        until(all_are_ours)
        yield


@contextlib.contextmanager
def locked(api: Api) -> Iterator[None]:
    with psycopg.connect(api.cluster.url) as connection:
        connection.execute("lock table rowline.jobs in access exclusive mode")
        yield


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("trouble", [killed, frozen, cut_off, full, locked])
def test_trouble_is_told_within_seconds_and_is_over_when_it_is_over(
    api: Api, trouble: Callable[[Api], contextlib.AbstractContextManager[None]]
) -> None:
    workers = api.workers()
    assert api.ask(data=BODY).status == 200
    before = api.stored()

    with trouble(api):
        answers = [api.ask(), api.ask(data=BODY), api.ask("/queues/q/jobs/1"), api.ask(data=BODY)]
        with ThreadPoolExecutor(len(OTHERS)) as pool:
            answers += pool.map(lambda other: api.ask(other, OTHERS[other]), OTHERS)
        live = api.ask("/health/live")

    for answer in answers:
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert not any("outcome" in answer.body for answer in answers[::2]), "a read stores nothing"
    assert live.status == 200
    until(lambda: api.ask().status == 200)
    added = answers[1::2]

    def is_over() -> bool:
        added.append(api.ask(data=BODY))
        return added[-1].status == 200

    until(is_over)
    unknown = sum(answer.body.get("outcome") == "unknown" for answer in added[:-1])
    assert before + 2 <= api.stored() <= before + 2 + 2 * unknown, "what was told as not stored is not"
    assert api.workers() == workers, "no process went"


def test_a_node_whose_database_is_away_lives_and_is_not_ready(api: Api) -> None:
    with cut_off(api):
        live = api.ask("/health/live")
        until(lambda: api.ask("/health/ready").status == 503)
    assert live.status == 200


@pytest.mark.parametrize("trouble", [killed, frozen, cut_off])
def test_all_who_ask_while_the_database_is_away_hear_so_soon_and_no_place_of_it(
    api: Api, trouble: Callable[[Api], contextlib.AbstractContextManager[None]]
) -> None:
    with trouble(api), ThreadPoolExecutor(32) as pool:
        until(lambda: api.ask("/health/ready").status == 503)
        answers = list(pool.map(api.ask, ["/health/ready"] * 64))

    assert {answer.status for answer in answers} == {503}
    assert {answer.body["error"] for answer in answers} == {"the database is not available: the log has the cause"}
    until(lambda: api.ask("/health/ready").status == 200)


def test_a_job_that_was_cancelled_is_not_told_of_as_if_nothing_had_been_stored(api: Api) -> None:
    [job] = api.ask("/queues/cancelling/jobs", b'[{"name":"n","data":1}]').body

    api.proxy.fault = Fault.CUT_READS
    told = api.ask(f"/queues/cancelling/jobs/{job['id']}/cancel", b"")
    api.proxy.fault = Fault.NONE

    until(lambda: api.ask(f"/queues/cancelling/jobs/{job['id']}").status == 200)
    stored = api.ask(f"/queues/cancelling/jobs/{job['id']}").body
    assert (told.status, told.body) == (200, stored)
    assert stored["status"] == "failed"


def test_jobs_that_cannot_be_handed_back_are_given_to_who_may_have_left(own_url: str) -> None:
    """It has said that it sends no more, which is all that can be seen of who has left; it may listen."""
    with faultproxy.before(databases.as_owner(own_url)) as proxy:
        db = Database(Settings(), url=proxy.url, size=4, name="rowline-test")
        operations.submit_many(db, queue="q", new=[NewJob(name="n", data=JsonText("1"))])
        seen: list[bool] = []

        def has_left() -> bool:
            seen.append(bool(seen))
            proxy.fault = Fault.CUT_BEFORE_COMMIT if seen[-1] else Fault.NONE
            return seen[-1]

        ask = Ask(limit=1, lease_ms=60_000, worker="w")
        leases = Waiting(db, poll_ms=60_000, wait_ms=1_000).claim(queue="q", ask=ask, wait_ms=0, has_left=has_left)
        db.close()
    assert len(leases) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "lost"}])
@pytest.mark.parametrize(("fault", "stored"), [(Fault.CUT_BEFORE_COMMIT, 0), (Fault.CUT_AFTER_COMMIT, 2)])
def test_a_commit_without_an_answer_is_unknown_and_a_key_makes_it_one(
    api: Api, fault: Fault, stored: int, headers: dict[str, str]
) -> None:
    key = {name: f"{word}-{fault.name}" for name, word in headers.items()}
    before = api.stored()

    api.proxy.fault = fault
    unknown = api.ask(data=BODY, **key)
    api.proxy.fault = Fault.NONE

    assert (unknown.status, unknown.body.get("outcome")) == (503, "unknown"), api.log()
    assert api.stored() - before == stored
    again = api.ask(data=BODY, **key)
    end = time.monotonic() + 60
    while again.status == HTTPStatus.CONFLICT and time.monotonic() < end:
        again = api.ask(data=BODY, **key)  # until PostgreSQL has noticed that the connection of the first is gone
    assert (again.status, again.headers.get("Idempotency-Replayed")) == (200, "true" if stored and key else None)
    assert api.stored() - before == (2 if key else stored + 2)


def test_a_commit_that_no_standby_confirmed_is_no_success(api: Api) -> None:
    def ask_for_standby(names: str) -> None:
        with psycopg.connect(api.cluster.url, autocommit=True) as connection:
            connection.execute(f"alter system set synchronous_standby_names = '{names}'")
            connection.execute("select pg_reload_conf()")
        with psycopg.connect(api.cluster.url, autocommit=True) as connection:
            until(lambda: connection.execute("show synchronous_standby_names").fetchall() == [(names,)])
            connection.execute("checkpoint")  # by the process that tells all others to wait for standbys

    ask_for_standby("nobody")
    unanswered = api.ask(data=BODY)
    ask_for_standby("")

    assert (unanswered.status, unanswered.body["outcome"]) == (503, "unknown")
    until(lambda: api.ask(data=BODY).status == 200)


GATE = """
    create function public.gate() returns trigger language plpgsql as 'begin
        while exists (select from pg_catalog.pg_locks where locktype = ''advisory'' and objid = 4711) loop
            perform pg_catalog.pg_sleep(0.1);
        end loop;
        return new;
    end';
    create trigger gate before update on rowline.jobs for each row when (new.status = 'active')
    execute function public.gate()
"""
LONG = {"ROWLINE_REQUEST_MS": "600000", "ROWLINE_STATEMENT_MS": "600000"}


def test_claims_that_have_all_they_may_leave_room_for_those_who_complete(api: Api) -> None:
    """A claim lasts until the gate opens, and there are more of them than connections."""
    jobs = [{"name": "n", "data": nth} for nth in range(40)]
    with (
        serving(api.cluster, api.proxy, **LONG) as own,
        psycopg.connect(own.cluster.url, autocommit=True) as connection,
        ThreadPoolExecutor(24) as pool,
    ):
        assert own.ask("/queues/room/jobs", json.dumps(jobs).encode()).status == 200
        claimed = own.ask("/queues/room/jobs/claim", b'{"count":5}').body["jobs"]
        connection.execute(GATE)
        connection.execute("select pg_advisory_lock(4711)")
        claims = [pool.submit(own.ask, "/queues/room/jobs/claim", b"{}") for _ in range(24)]
        sleeping = "select from pg_stat_activity where wait_event = 'PgSleep'"
        until(lambda: len(connection.execute(sleeping).fetchall()) >= 4)  # all that claims of one token may have
        completed = [
            own.ask(f"/queues/room/jobs/{lease['job']['id']}/complete", json.dumps({"token": lease["token"]}).encode())
            for lease in claimed
        ]
        until(lambda: any(claim.done() for claim in claims))
        refused = [claim.result() for claim in claims if claim.done()]
        connection.execute("select pg_advisory_unlock(4711)")
        answers = [claim.result() for claim in claims]
        connection.execute("drop function public.gate cascade")
        again = own.ask("/queues/room/jobs/claim", b"{}")

    assert [answer.status for answer in completed] == [200] * 5, "none waited for a claim to end"
    assert {answer.status for answer in refused} == {503}, "nor did those that were refused"
    assert {answer.status for answer in answers} == {200, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 503)
    assert again.status == 200
