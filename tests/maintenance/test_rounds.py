"""One process looks what time has brought, for all that live; and a process at rest costs next to nothing."""

import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from app.domain.job import Lease
from app.domain.states import Status
from app.infra.settings import Settings
from app.maintenance import maintainer, rounds
from app.maintenance.rounds import Rounds
from app.operations import claim, maintenance
from app.operations.claim import Ask
from app.operations.longpoll import Waiting
from app.postgres import notify
from app.postgres.database import Database
from app.postgres.wakeups import PULSE
from tests.support import databases, faultproxy, pulses, raw, receivers
from tests.support.clusters import PATIENCE_S, until
from tests.support.faultproxy import Fault
from tests.support.jobs import QUEUE, insert, new
from tests.support.raw import Server
from tests.support.workers import WorkerProgram, add, in_status, written

COMMITTED = "select xact_commit from pg_stat_database where datname = current_database()"
WINDOW_S = 4.0
BUSY = """
    insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at,
        delay_ms, attempts, attempts_started, processed_at, processed_by, lease_token, leased_until)
    select 'busy-' || n, nextval('rowline.job_numbers'), 'n', '1', '{}', 'active', 0, false, 1, now(), now(),
        0, 1, 1, now(), 'w', gen_random_uuid(), now() + interval '1 hour'
    from generate_series(1, 200) as n
"""
UNTOLD = """
    insert into rowline.jobs (queue, number, name, data, opts, status, priority, lifo, place, run_at, added_at,
        delay_ms, attempts)
    select 'quiet-' || n, nextval('rowline.job_numbers'), 'echo', '1', '{}', 'waiting', 0, false, 1, now(), now(), 0, 1
    from generate_series(1, 3) as n
"""
ALL_DONE = "select count(*) = count(finished_at) from rowline.jobs"
HANDLERS = """
    @rowline.handler("*")
    def run(job):
        return job.data
"""
LIE = f"select pg_notify('{notify.channel(PULSE)}', '!:nobody:0')".encode()  # its name comes before all
AT_REST = (2, 2, 3)
"""The most connections of three processes, one of which makes the rounds."""
QUIET = {"promote_ms": 500, "poll_ms": 1_000}  # as shipped: the tests' own dispatcher looks more often


@pytest.fixture
def own_db(own_url: str) -> Iterator[Database]:
    opened = Database(Settings(), url=own_url, size=4, name="rowline-test-own")
    yield opened
    opened.close()


@pytest.fixture
def handlers(tmp_path: Path) -> Path:
    return written(tmp_path, HANDLERS)


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def rate(url: str) -> float:
    """Count the transactions a second. What a session has done is told late, so a window may have too many, once."""
    with psycopg.connect(databases.as_owner(url), autocommit=True) as connection:
        [before] = connection.execute(COMMITTED).fetchall()
        began_at = time.monotonic()
        time.sleep(WINDOW_S)  # what happens in it is what is counted
        [after] = connection.execute(COMMITTED).fetchall()
    return float(after[0] - before[0]) / (time.monotonic() - began_at)


def test_two_hundred_busy_queues_and_six_processes_in_which_nothing_happens_cost_a_few_transactions(
    own_url: str, handlers: Path
) -> None:
    """One that looks twice a second, and all that look for jobs of which they are told: of hundreds a second once."""
    databases.run(own_url, BUSY)
    with contextlib.ExitStack() as stack:
        stack.enter_context(raw.server(own_url, ROWLINE_API_PROCESSES="2"))
        for _ in range(2):
            stack.enter_context(receivers.dispatcher(own_url, **QUIET))
            stack.enter_context(WorkerProgram(own_url, handlers)).expect("worker_started")

        until(lambda: rate(own_url) <= 6, within_s=120)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_when_the_process_that_looks_dies_or_hangs_another_takes_over(
    own_url: str, own_db: Database, how: signal.Signals
) -> None:
    with pulses.heard(own_url) as heard, contextlib.ExitStack() as stack:
        programs = [stack.enter_context(receivers.dispatcher(own_url, **QUIET)) for _ in range(3)]
        first = heard.pid()
        os.kill(first, how)
        second = heard.pid(unlike=first.__eq__)
        assert {first, second} <= {program.pid for program in programs}

        [stalled, delayed] = add(own_db, new(), new(delay_ms=100))
        claim.claim(own_db, queue=QUEUE, limit=1, lease_ms=0, worker="gone")
        os.kill(second, signal.SIGKILL)
        in_status(own_db, stalled, Status.WAITING)
        in_status(own_db, delayed, Status.WAITING)


@pytest.fixture
def reading_url(own_url: str) -> Iterator[str]:
    """The database for a role that may look, and change nothing."""
    role = f"rowline_test_reader_{secrets.token_hex(4)}"
    databases.run(own_url, f"create role {role}; grant pg_read_all_data to {role}")
    owned = databases.as_owner(own_url)
    yield f"{owned}{'&' if '?' in owned else '?'}options={quote(f'-c role={role}')}"
    databases.run(own_url, f"drop role {role}")


def test_a_process_that_looks_and_cannot_do_what_there_is_to_do_leaves_it_to_another(
    own_url: str, own_db: Database, reading_url: str
) -> None:
    with pulses.heard(own_url) as heard, receivers.dispatcher(reading_url, **QUIET) as unable:
        assert heard.pid() == unable.pid
        with receivers.dispatcher(own_url, **QUIET):
            for _ in range(3):
                [delayed] = add(own_db, new(delay_ms=100))
                in_status(own_db, delayed, Status.WAITING)


def test_an_api_relies_on_no_process_that_looks_and_cannot_do_what_there_is_to_do(
    own_url: str, own_db: Database, reading_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "RESTS_S", (3_600.0, 3_600.0))
    with pulses.heard(own_url) as heard, receivers.dispatcher(reading_url, **QUIET) as unable:
        assert heard.pid() == unable.pid
        loops = maintainer.start(Settings(promote_ms=500), own_db, is_low_priority=True)
        for _ in range(3):
            [delayed] = add(own_db, new(delay_ms=100))
            in_status(own_db, delayed, Status.WAITING)
    for loop in loops:
        loop.stop()


def test_of_all_processes_one_goes_on_looking(own_url: str) -> None:
    with pulses.heard(own_url) as heard, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(receivers.dispatcher(own_url, **QUIET))
        last = heard.pid()

        def is_settled() -> bool:
            nonlocal last
            pids = {heard.pid() for _ in range(6)} | {last}
            last = pids.pop()
            return not pids

        until(is_settled)


class _Stopped:
    """Ends a loop, so that one of a test that failed does not run beside the tests after it."""

    def __init__(self, ours: Rounds) -> None:
        self._ours = ours

    def close(self) -> None:
        self._ours.loop.stop()


RESTING = "select count(*) from pg_stat_activity where datname = current_database() and query like 'unlisten %'"


def test_who_listens_to_nothing_else_leaves_the_rounds_to_another_until_that_is_gone(
    own_url: str, own_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each NOTIFY wakes all connections that listen: an idle API has none."""
    monkeypatch.setattr(rounds, "RESTS_S", (1.0, 2.0))
    ours = Rounds(own_db, on_look=lambda _found, _is_new: None, is_low_priority=True)
    ours.loop.start()
    with contextlib.closing(_Stopped(ours)), pulses.heard(own_url) as heard:
        assert heard.pid() == os.getpid()
        with receivers.dispatcher(own_url, **QUIET) as other:
            until(lambda: databases.ask(own_url, RESTING) == [(1,)])
            assert heard.pid(unlike=os.getpid().__eq__) == other.pid
            # While it rests, and while it listens again; it looks itself if no pulse came in time.
            until(lambda: {heard.pid() for _ in range(6)} == {other.pid})
            own_db.listen(QUEUE, lambda: None)
            until(lambda: own_db.wakeups.is_proved and databases.ask(own_url, RESTING) == [(0,)])
        assert heard.pid(unlike=other.pid.__eq__) == os.getpid()


@pytest.fixture
def waiting(own_db: Database) -> Iterator[Waiting]:
    """Claims wait in this process as in one of an API, but for longer than that lets them."""
    loops = maintainer.start(Settings(promote_ms=500), own_db, is_low_priority=True)
    waiting = Waiting(own_db, poll_ms=1_000, wait_ms=60_000)
    yield waiting
    waiting.close()
    for loop in loops:
        loop.stop()


def claim_in(waiting: Waiting, queue: str) -> list[Lease]:
    ask = Ask(limit=1, lease_ms=60_000, worker="w")
    return waiting.claim(queue=queue, ask=ask, wait_ms=500_000, has_left=lambda: False)


def test_an_api_in_which_a_claim_waits_takes_over_when_the_last_worker_dies(
    own_url: str, own_db: Database, waiting: Waiting, handlers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears the pulses end, whose word would have let it rest for an hour."""
    monkeypatch.setattr(rounds, "RESTS_S", (3_600.0, 3_600.0))
    with pulses.heard(own_url) as heard, ThreadPoolExecutor(1) as pool, contextlib.closing(waiting):
        assert heard.pid() == os.getpid()
        with WorkerProgram(own_url, handlers) as worker:
            until(lambda: databases.ask(own_url, RESTING) == [(1,)])
            pool.submit(claim_in, waiting, "other")
            until(lambda: databases.ask(own_url, RESTING) == [(0,)])
            heard.pid(unlike=os.getpid().__eq__)
            os.kill(worker.pid, signal.SIGKILL)
            [delayed] = add(own_db, new(delay_ms=100))
            in_status(own_db, delayed, Status.WAITING)


def test_an_api_whose_claims_come_and_go_leaves_the_rounds_to_a_worker_that_lives(own_url: str, handlers: Path) -> None:
    claim_a_while = raw.request("POST", "/queues/other/jobs/claim", body=b'{"wait": 1200}')
    with raw.server(own_url) as server, pulses.heard(own_url) as heard:
        first = heard.pid()
        with WorkerProgram(own_url, handlers):
            until(lambda: databases.ask(own_url, RESTING) == [(1,)])
            until(lambda: server.ask(claim_a_while, wanted=1) and first not in {heard.pid() for _ in range(3)})


def test_a_job_of_which_nobody_was_told_is_found_by_a_worker_that_does_not_look(own_url: str, handlers: Path) -> None:
    """What adds jobs in SQL rings by its own choice only; and who adds over HTTP may be killed before it rings."""
    with WorkerProgram(own_url, handlers, poll_ms=60_000) as worker:
        worker.expect("worker_started")
        for _ in range(3):
            databases.run(own_url, f"select rowline.enqueue('{QUEUE}', 'echo', '1')")
            until(lambda: databases.ask(own_url, ALL_DONE) == [(True,)])


def test_a_worker_whose_wake_ups_are_lost_looks_by_itself_as_often_as_it_says(server_url: str, tmp_path: Path) -> None:
    """While they are heard it looks each 80 s, longer than tests wait. Without them, each 8 s."""
    with databases.migrated(server_url) as name, faultproxy.before(databases.named(server_url, name)) as proxy:
        url = databases.named(server_url, name)
        db = Database(Settings(), url=url, size=1, name="rowline-test-own")
        with WorkerProgram(proxy.url, written(tmp_path, HANDLERS), poll_ms=8_000), pulses.heard(url) as heard:
            for _ in range(4):
                heard.pid()
            proxy.fault = Fault.DROP_NOTIFICATIONS
            for _ in range(2):
                in_status(db, add(db, new("echo"))[0])
        db.close()


def test_claims_that_wait_in_many_queues_look_unwoken_by_one_statement(own_url: str, waiting: Waiting) -> None:
    with ThreadPoolExecutor(100) as pool, contextlib.closing(waiting):
        claims = [pool.submit(claim_in, waiting, f"quiet-{nth}") for nth in range(1, 101)]
        until(lambda: rate(own_url) <= 10)
        databases.run(own_url, UNTOLD)  # neither announced nor noted
        for claimed in claims[:3]:
            [lease] = claimed.result(PATIENCE_S)
            assert lease.job.name == "echo"


def test_at_rest_a_process_has_two_connections(own_url: str, own_db: Database, handlers: Path) -> None:
    """One that listens, and one for all else, however many it had when it was busy; the one that looks, a third.

    An API process that has not written may have the first alone.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(raw.server(own_url))
        stack.enter_context(receivers.dispatcher(own_url, **QUIET))
        stack.enter_context(WorkerProgram(own_url, handlers))
        for opened in [stack.enter_context(connected(server)) for _ in range(8)]:
            opened.sendall(raw.request("GET", f"/queues/{QUEUE}/jobs"))
        for job_id in add(own_db, *(new("echo") for _ in range(20))):
            in_status(own_db, job_id)

        until(lambda: is_at_rest(connections(own_url)), shown=lambda: connections(own_url))


def is_at_rest(found: Mapping[str, int]) -> bool:
    return len(found) == len(AT_REST) and all(
        number <= most for number, most in zip(sorted(found.values()), AT_REST, strict=True)
    )


def connections(url: str) -> dict[str, int]:
    """Count the connections of the service by the kind of their process."""
    found = databases.ask(
        url,
        "select application_name, count(*) from pg_stat_activity where datname = current_database() "
        "and application_name like 'rowline-%' and application_name not like '%-test%' group by 1",
    )
    return dict(found)


def test_a_queue_with_many_stalled_jobs_holds_up_no_other(own_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    with own_db.begin() as conn:
        for queue, jobs in (("many", 9), ("one", 1)):
            insert(conn, *(new() for _ in range(jobs)), queue=queue)
    for queue in ("many", "one"):
        claim.claim(own_db, queue=queue, limit=9, lease_ms=0, worker="gone")

    assert maintenance.recover_stalled(own_db, max_stalled_count=1) == {"many": 9, "one": 1}
    with own_db.read() as conn:
        ends = conn.exec_driver_sql("select queue from rowline.attempts order by ended_at").scalars().all()
    assert ends == ["many"] * 2 + ["one"] + ["many"] * 7


def test_whoever_holds_the_lock_of_a_queue_keeps_no_job_of_it_delayed(own_url: str, own_db: Database) -> None:
    """Any role that may log in can take it, and keep it."""
    with own_db.begin() as conn:
        insert(conn, new("first", delay_ms=1), queue="a")
        insert(conn, new(delay_ms=1), queue="b")
        insert(conn, new("second", delay_ms=1), queue="c")
    with psycopg.connect(databases.as_owner(own_url), autocommit=True) as holder:
        for queue in "ac":
            holder.execute(f"select pg_advisory_lock(hashtextextended('rowline promotes {queue}', 0))".encode())
        until(lambda: maintenance.promote_due(own_db) == {"a", "b", "c"})
        with own_db.begin() as conn:
            insert(conn, new("third", delay_ms=1), queue="c")
        found = list[str]()

        def take() -> int:
            leases = claim.claim(own_db, queue="c", limit=9, lease_ms=60_000, worker="w").leases
            found.extend(lease.job.name for lease in leases)
            return len(found)

        until(lambda: take() == 2)
    assert found == ["second", "third"]


def test_whoever_sends_pulses_and_does_nothing_is_not_believed_for_long(
    own_url: str, own_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "TRUST_S", (0.5, 1.0))
    looks = list[bool]()
    ours = Rounds(own_db, on_look=lambda _found, is_new: looks.append(is_new and ours.is_leader))
    with psycopg.connect(databases.as_owner(own_url), autocommit=True) as liar:
        until(lambda: liar.execute(LIE) and own_db.wakeups.is_proved)
        ours.loop.start()
        until(lambda: liar.execute(LIE) and len(looks) == 3)
    ours.loop.stop()

    assert looks == [True] * 3, "each of them a whole round"
