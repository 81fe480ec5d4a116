"""What one receiver can cost another."""

import socket
import threading
import time

import pytest

from app.domain.endpoint import Limiter
from app.domain.states import Status
from app.infra.settings import Settings
from app.postgres.database import Database
from tests.support import databases, receivers
from tests.support.clusters import until
from tests.support.jobs import counted, insert, new
from tests.support.receivers import Behaviour, Call, Receiver, says
from tests.support.workers import add, in_status

DEAR = '"' + ("0" * 1_000 + " ") * 1_040 + '"'
"""A text that once took a second to read."""

NESTED = b"".join(b"--b%d\rcontent-type: multipart/mixed; boundary=b%d\r\r" % (nth, nth + 1) for nth in range(450))
HEAD = b"HTTP/1.1 200 OK\r\nX: y\rcontent-type: multipart/mixed; boundary=b0\r\r" + NESTED + b"\r" * 40_000
"""A head that the email parser needs over a second for."""

COPIES = """
    insert into rowline.endpoints (queue, url, method, headers, secrets, timeout_ms, concurrency)
    select 'q' || nth, url, method, headers, secrets, timeout_ms, concurrency
    from rowline.endpoints cross join generate_series(1, 399) as nth
"""
COMPLETED = "select count(*) from rowline.jobs where status = 'completed'"
COMMITTED = "select xact_commit from pg_stat_database where datname = current_database()"


def _ended(db: Database, queue: str, status: Status) -> int:
    with db.begin() as conn:
        return counted(conn, queue)[status]


def _in_3_s(own_url: str) -> int:
    """Count commits. What a backend committed shows about a second later: a first window may have those of the work."""
    [(before,)] = databases.ask(own_url, COMMITTED)
    time.sleep(3)  # how often they ask is what is counted
    [(after,)] = databases.ask(own_url, COMMITTED)
    return int(after - before)


@pytest.mark.parametrize(
    ("dear", "status"),
    [
        (says("200 OK", DEAR.encode(), "Content-Type: application/json"), Status.COMPLETED),
        (lambda connection, _call: connection.sendall(HEAD + b"\r\n\r\n"), Status.FAILED),
    ],
    ids=["texts", "heads"],
)
def test_answers_that_are_dear_to_read_cost_another_endpoint_no_lease(
    settings: Settings, own_url: str, dear: Behaviour, status: Status
) -> None:
    """What 30 answers say at once is read while another call waits for its own, longer than its lease lasts."""
    db = Database(settings, url=own_url, size=2, name="rowline-test-own")
    all_answered = threading.Event()

    def patient(connection: socket.socket, call: Call) -> None:
        all_answered.wait(60)
        says()(connection, call)

    with Receiver(dear) as flooding, Receiver(patient) as other, receivers.dispatcher(own_url, lease_ms=10_000):
        receivers.register(db, flooding.url, queue="dear", concurrency=30)
        receivers.register(db, other.url)
        [waiting] = add(db, new())
        other.expect(1)
        with db.begin() as conn:
            insert(conn, *(new() for _ in range(30)), queue="dear")
        until(lambda: _ended(db, "dear", status) == 30, within_s=60)
        all_answered.set()
        job = in_status(db, waiting)
    db.close()

    assert (job.status, job.stalled_count, job.attempts_started) == (Status.COMPLETED, 0, 1)


def test_hundreds_of_idle_endpoints_ask_no_more_often_than_a_few(settings: Settings, own_url: str) -> None:
    db = Database(settings, url=own_url, size=2, name="rowline-test-own")
    with Receiver() as receiver, receivers.dispatcher(own_url, poll_ms=50):
        receivers.register(db, receiver.url, queue="q0")
        databases.run(own_url, COPIES)
        with db.begin() as conn:
            for nth in range(400):
                insert(conn, queue=f"q{nth}")
        until(lambda: databases.ask(own_url, COMPLETED)[0][0] == 400, within_s=60)
        until(lambda: _in_3_s(own_url) < 3 * 300, within_s=60)  # of 24,000, if all of them asked each 50 ms
    db.close()


def test_the_next_window_of_a_limiter_is_used_while_the_calls_of_the_last_one_run(
    settings: Settings, own_url: str
) -> None:
    """The dispatcher polls once in ten minutes, so that it must know when the window ends."""
    db = Database(settings, url=own_url, size=2, name="rowline-test-own")
    with Receiver(receivers.silence) as receiver, receivers.dispatcher(own_url, poll_ms=60_000):
        receivers.register(db, receiver.url, concurrency=9, limiter=Limiter(max_calls=1, window_ms=100))
        add(db, *[new() for _ in range(8)])
        receiver.expect(8)
        assert receiver.open == 8
    db.close()
