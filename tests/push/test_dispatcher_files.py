"""A dispatcher and its open files: idle connections are given up, and a shortage costs no job an attempt."""

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator

from app.domain.states import Status
from app.postgres.database import Database
from tests.support import receivers
from tests.support.clusters import PYTHON, Program, until
from tests.support.jobs import new
from tests.support.raw import KEY
from tests.support.receivers import Call, Receiver, answer
from tests.support.workers import add, in_status


@contextlib.contextmanager
def few_files(url: str, *, soft: int | None = None, hard: int | None = None) -> Iterator[Program]:
    """Run a dispatcher that starts with one of these limits of open files."""
    limit = f"ulimit -Sn {soft}" if soft else f"ulimit -n {hard}"
    argv = ["sh", "-c", f'{limit} && exec "$@"', "sh", *PYTHON, "-m", "app", "dispatch"]
    env = {"DATABASE_URL": url, "ROWLINE_SECRET_KEYS": KEY, "ROWLINE_WEBHOOK_ALLOW": receivers.LOOPBACK}
    with Program(argv, env=env) as program:
        program.expect("dispatcher_started")
        yield program


def test_connections_that_a_receiver_closed_are_given_up_without_another_call(db: Database, shared_url: str) -> None:
    at_once, given_up = 5, threading.Semaphore(0)
    together = threading.Barrier(at_once)

    def behaviour(connection: socket.socket, _call: Call) -> None:
        together.wait(60)
        connection.sendall(answer())
        connection.shutdown(socket.SHUT_WR)
        if not connection.recv(1):
            given_up.release()

    with receivers.dispatcher(shared_url), Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url, concurrency=at_once)
        for job_id in add(db, *(new() for _ in range(at_once))):
            assert in_status(db, job_id).status is Status.COMPLETED
        for _ in range(at_once):
            assert given_up.acquire(timeout=60)


def test_calls_for_which_no_files_are_left_cost_no_attempt(db: Database, shared_url: str) -> None:
    """Of 100 open files 50 are for calls."""
    go = threading.Event()

    def behaviour(connection: socket.socket, _call: Call) -> None:
        go.wait(60)
        connection.sendall(answer())

    with few_files(shared_url, hard=100) as program, Receiver(behaviour) as receiver:
        receivers.register(db, receiver.url, concurrency=60)
        job_ids = add(db, *(new() for _ in range(60)))
        assert "the limit of open files permits no more" in program.expect("out_of_descriptors")
        until(lambda: receiver.open == 50)
        go.set()
        jobs = [in_status(db, job_id) for job_id in job_ids]
    assert {(job.status, job.attempts_made, job.failed_reason) for job in jobs} == {(Status.COMPLETED, 1, None)}
    assert (len(receiver.calls), receiver.most_open) == (60, 50)


def test_a_dispatcher_says_at_start_that_its_limit_of_open_files_is_too_low(shared_url: str) -> None:
    with few_files(shared_url, hard=512) as program:
        assert "A dispatcher may open 512 files but needs 4072: raise the hard limit" in program.output


def test_a_dispatcher_raises_its_soft_limit_of_open_files(shared_url: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with few_files(shared_url, soft=256) as program:
        assert resource.prlimit(program.pid, resource.RLIMIT_NOFILE) == (min(hard, 65_536), hard)
    assert "A dispatcher may open" not in program.output
