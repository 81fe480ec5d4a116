"""The same worker on the database and over HTTP: what comes of jobs does not tell which."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from app.domain.attempts import STALLED_REASON
from app.domain.backoff import Backoff, BackoffType
from app.domain.job import Job, JsonText
from app.domain.states import Status
from app.infra.settings import Settings
from app.operations import maintenance, tokens
from app.postgres.database import Database
from app.web.auth import WRONG_MAX
from app.worker.completer import Completer
from app.worker.heartbeats import HeldLeases
from app.worker.httpsource import CALL_S, REFUSED_S, HttpSource
from app.worker.source_io import SourceIO
from tests.support import clusters, httpproxy, raw
from tests.support.acting import ACTOR
from tests.support.clusters import PATIENCE_S, is_alive, until
from tests.support.httpproxy import Fault, HttpProxy
from tests.support.jobs import QUEUE, make_due, new
from tests.support.raw import Server
from tests.support.tokens import issue
from tests.support.workers import WorkerProgram, add, find, in_status, written
from tests.worker.test_deaths import begun, handlers, marks, open_gate, slow

__all__ = ["handlers"]  # a fixture

RESULTS = """
@rowline.handler("echo")
def echo(job):
    return job.data

@rowline.handler("describe")
def describe(job):
    return [job.queue, job.id, job.name, job.opts, job.priority, job.attempt, job.timestamp > 0, len(job.token)]

@rowline.handler("flaky")
def flaky(job):
    if job.attempt < 3:
        raise RuntimeError(f"attempt {job.attempt} fails")
    return "done"

@rowline.handler("hopeless")
def hopeless(job):
    raise rowline.UnrecoverableError("no such customer")

@rowline.handler("later")
def later(job):
    if job.attempt < 3:
        raise rowline.RetryIn(job.data, "busy")
    return "done"

@rowline.handler("return")
def give_back(job):
    return {"set": {1}, "nul": chr(0), "big": "x" * 2_000_000}[job.data]

@rowline.handler("deadly")
def deadly(job):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def service(shared_url: str) -> Iterator[Server]:
    """`rowline serve`, quick to find what has stalled."""
    with raw.server(shared_url, ROWLINE_RECOVER_MS="100") as server:
        yield server


@pytest.fixture
def service_url(service: Server, db: Database) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(params=["database", "http"])
def source(request: pytest.FixtureRequest, shared_url: str, service_url: str) -> str:
    """Where a worker's jobs come from."""
    return shared_url if request.param == "database" else service_url


def seen(job: Job) -> tuple[object, ...]:
    """What came of a job, but for times, ids and the worker's name."""
    stacks = [line for stack in job.stacktrace for line in stack.splitlines() if "File" not in line]
    return (
        job.status,
        json.loads(job.result or "null"),
        job.failed_reason,
        stacks,
        job.attempts_made,
        job.stalled_count,
    )


def test_one_handlers_file_gives_the_same_from_either(
    db: Database, shared_url: str, service_url: str, tmp_path: Path
) -> None:
    file = written(tmp_path, RESULTS)
    asked = [
        new("echo", data=JsonText('{"b": [1.50, null, "\\u00fc\\n"], "a": -0.0, "a": 9007199254740993}')),
        new("echo", data=JsonText(f'[1e16, "{"é" * 100_000}"]')),
        new("describe", data=JsonText("0"), opts=JsonText('{\n "priority": 7\n}'), priority=7, custom_id="mine"),
        new("flaky", attempts=5),
        new("flaky", attempts=2),
        new("hopeless", attempts=5),
        new("stranger"),
        *(new("return", data=JsonText(f'"{kind}"')) for kind in ("set", "nul", "big")),
        new("deadly"),
        *(new("echo", data=JsonText(str(number))) for number in range(50)),
    ]
    came = []
    for url in (shared_url, service_url):
        with db.begin() as conn:
            conn.exec_driver_sql("delete from rowline.jobs")
        with WorkerProgram(url, file, recover_ms=100, unhandled_ms=0):
            came.append([seen(in_status(db, job_id)) for job_id in add(db, *asked)])

    assert came[1] == came[0]
    assert [job[0] for job in came[0]].count(Status.COMPLETED) == 54
    assert came[0][10][2] == STALLED_REASON


def test_a_handler_chooses_the_wait_before_the_next_attempt(db: Database, source: str, tmp_path: Path) -> None:
    hourly = Backoff(type=BackoffType.FIXED, delay_ms=3_600_000)
    with WorkerProgram(source, written(tmp_path, RESULTS)):
        soon, late, last = add(
            db,
            new("later", data=JsonText("0.25"), attempts=3, backoff=hourly),
            new("later", data=JsonText("86400"), attempts=3),
            new("later", data=JsonText("0"), attempts=1),
        )
        done, waiting, failed = in_status(db, soon), in_status(db, late, Status.DELAYED), in_status(db, last)

    assert (done.status, done.attempts_made, done.delay_ms, done.failed_reason) == (Status.COMPLETED, 3, 250, "busy")
    assert (waiting.delay_ms, waiting.attempts_made, waiting.failed_reason) == (86_400_000, 1, "busy")
    assert "in later" in waiting.stacktrace[0]
    assert (failed.status, failed.attempts_made, failed.failed_reason) == (Status.FAILED, 1, "busy")


def test_a_worker_over_http_is_woken_by_a_new_job(db: Database, service_url: str, handlers: Path) -> None:
    with WorkerProgram(service_url, handlers, poll_ms=60_000) as worker:
        worker.expect("worker_started")
        for _ in range(3):
            assert in_status(db, add(db, new("quick"))[0]).processed_by == worker_name(worker)


def worker_name(worker: WorkerProgram) -> str:
    """What it said at its start that it is called."""
    [line] = [line for line in worker.output.splitlines() if "worker_started" in line]
    return str(json.loads(line)["worker"])


def test_sigterm_lets_the_running_job_end_and_hands_back_the_others(db: Database, source: str, handlers: Path) -> None:
    with WorkerProgram(source, handlers) as worker:
        ids = add(db, new("gated"), new("quick"), new("quick"))
        begun(handlers, ids[0])
        worker.process.send_signal(signal.SIGTERM)
        open_gate(handlers)
        assert worker.end() == 0

    assert find(db, ids[0]).status is Status.COMPLETED
    rest = [find(db, job_id) for job_id in ids[1:]]
    assert {(job.status, job.stalled_count, job.attempts_made) for job in rest} == {(Status.WAITING, 0, 0)}


def test_a_worker_that_waits_ends_at_once_and_takes_no_job_with_it(db: Database, source: str, handlers: Path) -> None:
    with WorkerProgram(source, handlers) as worker:
        in_status(db, add(db, new("quick"))[0])
        assert worker.end(signal.SIGTERM) == 0
    [job_id] = add(db, new("quick"))

    with WorkerProgram(source, handlers):
        job = in_status(db, job_id)
    assert (job.attempts_started, job.stalled_count) == (1, 0)


@pytest.mark.parametrize("twice", [False, True])
def test_a_job_longer_than_the_drain_is_handed_back_unharmed(
    db: Database, service_url: str, handlers: Path, *, twice: bool
) -> None:
    with WorkerProgram(service_url, handlers, drain_ms=60_000 if twice else 300) as worker:
        job_id = add(db, new("slow", data=slow(60)))[0]
        child = int(begun(handlers, job_id)[2])
        worker.process.send_signal(signal.SIGTERM)
        if twice:
            worker.process.send_signal(signal.SIGINT)
        assert worker.end() == 0

    job = find(db, job_id)
    assert (job.status, job.stalled_count, job.attempts_made, job.attempts_started) == (Status.WAITING, 0, 0, 1)
    assert not is_alive(child)


def test_a_long_job_keeps_its_lease_over_http(db: Database, service_url: str, handlers: Path) -> None:
    with WorkerProgram(service_url, handlers, lease_ms=5_000):
        job = in_status(db, add(db, new("hog", data=slow(7)))[0])

    assert (job.status, job.result, job.attempts_started, job.stalled_count) == (Status.COMPLETED, '"hogged"', 1, 0)


def test_a_lease_lost_over_http_is_noticed_and_the_late_result_refused(
    db: Database, service_url: str, handlers: Path
) -> None:
    with WorkerProgram(service_url, handlers, worker_processes=2, lease_ms=9_000) as worker:
        job_id = add(db, new("once more"))[0]
        begun(handlers, job_id)
        with db.begin() as conn:
            make_due(conn, int(job_id))
        maintenance.recover_stalled(db, max_stalled_count=9)
        db.notify(QUEUE)
        begun(handlers, job_id, times=2)
        worker.expect("lease_lost")
        job = in_status(db, job_id)

    assert (job.status, job.stalled_count, job.attempts_started, job.attempts_made) == (Status.COMPLETED, 1, 2, 1)


@pytest.fixture
def proxy(service: Server, db: Database) -> Iterator[HttpProxy]:
    with httpproxy.before(service.port) as proxy:
        yield proxy


def test_a_service_that_goes_away_and_comes_back_costs_no_job(db: Database, proxy: HttpProxy, handlers: Path) -> None:
    with WorkerProgram(proxy.url, handlers) as worker:
        in_status(db, add(db, new("quick"))[0])
        ids = add(db, new("gated"))
        begun(handlers, ids[0])
        home, proxy.to_port = proxy.to_port, 1
        proxy.cut()
        open_gate(handlers)
        # Not before: a claim that is answered while the service goes away keeps its jobs until their leases end.
        ids += add(db, *(new("quick") for _ in range(20)))
        worker.expect("settle_failed")
        proxy.to_port = home
        done = [in_status(db, job_id) for job_id in ids]

    assert {(job.status, job.stalled_count, job.attempts_made) for job in done} == {(Status.COMPLETED, 0, 1)}
    assert sorted(mark[0] for mark in marks(handlers) if mark[0] in ids) == sorted(ids)


def test_answers_that_are_lost_end_no_attempt_twice(db: Database, proxy: HttpProxy, handlers: Path) -> None:
    with WorkerProgram(proxy.url, handlers):
        job_id = add(db, new("gated"))[0]
        begun(handlers, job_id)
        proxy.plan = [Fault.LOSE_ANSWER, Fault.LOSE_AND_SAY_LATER]
        open_gate(handlers)
        job = in_status(db, job_id)
        until(lambda: not proxy.plan)
        other = in_status(db, add(db, new("quick"))[0])

    assert (job.status, job.attempts_made, other.status) == (Status.COMPLETED, 1, Status.COMPLETED)


def test_a_job_that_arrives_after_sigterm_is_handed_back(db: Database, proxy: HttpProxy, handlers: Path) -> None:
    proxy.plan = [Fault.NONE, Fault.HOLD_ANSWER]
    with WorkerProgram(proxy.url, handlers) as worker:
        job_id = add(db, new("quick"))[0]
        in_status(db, job_id, Status.ACTIVE)
        assert worker.end(signal.SIGTERM) == 0
        assert "lease_lost" not in worker.output

    job = find(db, job_id)
    assert (job.status, job.attempts_started, job.attempts_made, job.stalled_count) == (Status.WAITING, 1, 0, 0)
    assert marks(handlers) == []


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("http://127.0.0.1:1/?x", "must look like"),
        ("nonsense", "must look like"),
        ("SERVICE", "valid token is required"),
    ],
)
def test_an_address_or_token_that_will_not_do_ends_the_start(
    service_url: str, handlers: Path, argument: str, told: str
) -> None:
    url = service_url if argument == "SERVICE" else argument
    argv = ["-m", "app", "work", "--queue", "q", "--handlers", str(handlers), "--url", url, "--token", "wrong"]
    with clusters.Program([*clusters.PYTHON, *argv]) as worker:
        assert worker.end() == 1
        assert told in worker.output


def test_a_worker_with_room_for_more_than_a_claim_may_ask_for_goes_on_claiming(db: Database, service_url: str) -> None:
    add(db, *(new() for _ in range(1_500)))
    source = HttpSource(Settings(), url=service_url, token=raw.TOKEN, queue=QUEUE, worker="w")
    source.start(lambda: None)
    taken: set[str] = set()

    def has_all() -> bool:
        claimed = source.exchange((), limit=1_500 - len(taken)).claimed
        taken.update(job.id for job in (claimed.taken if claimed else ()))
        return len(taken) == 1_500

    until(has_all)
    source.stop()


def test_a_token_that_may_work_is_all_that_a_worker_needs_and_another_one_ends_the_start(
    db: Database, service_url: str, handlers: Path
) -> None:
    [job_id] = add(db, new("quick"))
    with WorkerProgram(service_url, handlers, extra={"ROWLINE_TOKEN": issue(db, f"work@{QUEUE}").secret}):
        in_status(db, job_id, Status.COMPLETED)
    with WorkerProgram(service_url, handlers, extra={"ROWLINE_TOKEN": issue(db, "jobs:read").secret}) as worker:
        assert worker.end() == 1
        assert f"the token lacks the scope work@{QUEUE}" in worker.output


def test_a_worker_whose_token_is_revoked_says_what_to_do(db: Database, service_url: str, handlers: Path) -> None:
    token = issue(db, f"work@{QUEUE}")
    with WorkerProgram(service_url, handlers, extra={"ROWLINE_TOKEN": token.secret}) as worker:
        worker.expect("worker_started")
        tokens.revoke(db, actor=ACTOR, token_id=token.token.id)
        worker.expect("claim_failed")
        [line] = [line for line in worker.output.splitlines() if "claim_failed" in line]
    assert "restart the worker with a valid one" in json.loads(line)["cause"]


def test_a_worker_whose_token_is_refused_does_not_use_up_what_its_address_may_send(
    db: Database, service_url: str
) -> None:
    token, settings, called = issue(db, f"work@{QUEUE}"), Settings(), threading.Event()
    tokens.revoke(db, actor=ACTOR, token_id=token.token.id)
    source = HttpSource(settings, url=service_url, token=token.secret, queue=QUEUE, worker="w")
    completer = Completer(settings, source, HeldLeases(source, queue=QUEUE))
    source_io = SourceIO(settings, source, completer, queue=QUEUE, take=lambda _jobs: None)
    source.start(called.set)
    source_io.begin(1, more_soon=False)
    assert called.wait(PATIENCE_S)
    source_io.wake()
    refused_at = time.monotonic()
    source_io.begin(1, more_soon=False)
    assert source_io.next_at(1) >= refused_at + REFUSED_S
    assert 60 / REFUSED_S < WRONG_MAX
    source.stop()


def test_a_worker_that_stops_waits_for_no_lease_that_is_over(db: Database, service_url: str, handlers: Path) -> None:
    """Nobody takes the outcome any more: here since the token was revoked while the job ran."""
    token = issue(db, f"work@{QUEUE}")
    [job_id] = add(db, new("slow", data=slow(4)))
    extra = {"ROWLINE_TOKEN": token.secret, "ROWLINE_LEASE_MS": "2000", "ROWLINE_DRAIN_MS": "600000"}
    with WorkerProgram(service_url, handlers, extra=extra) as worker:
        begun(handlers, job_id)
        tokens.revoke(db, actor=ACTOR, token_id=token.token.id)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end() == 0
        [line] = [line for line in worker.output.splitlines() if "lease_lost" in line]
        assert json.loads(line)["job"] == job_id


@pytest.mark.parametrize(
    ("fault", "said"), [(Fault.CUT, "no response from http://127.0.0.1:"), (Fault.SAY_LATER, "503")]
)
def test_a_worker_says_at_the_first_try_that_fails_what_it_cannot_reach(
    service: Server, handlers: Path, fault: Fault, said: str
) -> None:
    """Though the next one succeeds: how long it goes on trying is for nobody to wait for."""
    with httpproxy.before(service.port) as proxy:
        proxy.plan = [fault]
        with WorkerProgram(proxy.url, handlers) as worker:
            worker.expect("worker_started")
            [line] = [line for line in worker.output.splitlines() if "claim_failed" in line]
    assert said in json.loads(line)["cause"]


def test_the_next_failure_after_a_claim_that_succeeded_is_told_at_once(
    db: Database, service: Server, handlers: Path
) -> None:
    add(db, new("quick"))
    with httpproxy.before(service.port) as proxy:
        # The check of the token and its retry, a claim, the outcome, the next claim.
        proxy.plan = [Fault.CUT, Fault.NONE, Fault.NONE, Fault.NONE, Fault.SAY_LATER]
        with WorkerProgram(proxy.url, handlers) as worker:
            worker.expect("claim_failed")
            worker.expect("worker_started")
            worker.expect("claim_failed")


def test_a_worker_that_reaches_nothing_says_so_now_and_then(handlers: Path) -> None:
    url = f"http://127.0.0.1:{clusters.free_port()}"
    with WorkerProgram(url, handlers) as worker:
        worker.expect("claim_failed")
        worker.expect("worker_started")
        told = [json.loads(worker.expect("claim_failed")) for _ in range(2)]
    assert all(f"no response from {url}: " in line["cause"] for line in told)
    first, second = (datetime.fromisoformat(line["time"]) for line in told)
    a_claim_tries_s = Settings().max_wait_ms / 1000 + CALL_S
    assert (second - first).total_seconds() < a_claim_tries_s
