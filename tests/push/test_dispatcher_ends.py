"""Dispatchers that are killed, stopped, cut off from their leases, or kept from where they may not go."""

import json
import signal
import socket
import threading

import pytest
import trustme

from app.domain.retention import Keep
from app.domain.states import Status
from app.operations import jobs, manage
from app.postgres.database import Database
from app.queries import workers
from tests.support import databases, receivers, work
from tests.support.acting import ACTOR
from tests.support.clusters import until
from tests.support.jobs import new
from tests.support.receivers import Call, Receiver, answer, says, silence
from tests.support.workers import add, find, in_status


def test_a_proxy_of_the_environment_is_not_used(db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as canary, Receiver() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        receivers.register(db, receiver.url)
        with receivers.dispatcher(shared_url):
            in_status(db, add(db, new())[0])

    assert (canary.connections, len(receiver.calls)) == (0, 1)


def test_a_dispatcher_is_seen_on_the_queues_of_its_endpoints_and_no_more_when_it_has_stopped_in_order(
    db: Database, shared_url: str
) -> None:
    def seen(queue: str = "q") -> list[tuple[str, int, int]]:
        return [(one.way, one.slots, one.busy) for one in workers.seen(db, queue=queue)[1]]

    with Receiver(silence) as receiver:
        receivers.register(db, receiver.url, concurrency=7)
        receivers.register(db, receiver.url, queue="r")
        add(db, new())
        with receivers.dispatcher(shared_url, drain_ms=100) as running:
            until(lambda: seen() and seen("r"))
            until(lambda: seen() == [("push", 7, 1)])
            running.end(signal.SIGTERM)
        assert (seen(), seen("r")) == ([], [])


def test_a_private_endpoint_is_not_connected_to_unless_allowed(db: Database, shared_url: str) -> None:
    with Receiver() as receiver, receivers.dispatcher(shared_url, webhook_allow="10.0.0.0/8"):
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new())[0])

    assert "not public" in (job.failed_reason or "")
    assert receiver.connections == 0


def test_a_dispatcher_without_the_networks_of_before_says_once_for_each_endpoint_which_setting_is_missing(
    db: Database, shared_url: str
) -> None:
    with Receiver() as receiver:
        for queue in ("q", "r"):
            receivers.register(db, receiver.url, queue=queue)
        with receivers.dispatcher(shared_url):
            in_status(db, add(db, new())[0], Status.COMPLETED)
        with receivers.dispatcher(shared_url, webhook_allow="") as restarted:
            for _ in range(3):
                in_status(db, add(db, new())[0], Status.FAILED)
            jobs.submit_many(db, queue="r", new=[new()])
            warnings = [json.loads(restarted.expect("endpoint_not_allowed")) for _ in range(2)]
            assert restarted.end(signal.SIGTERM) == 0
    assert [warning["queue"] for warning in warnings] == ["q", "r"]
    assert all("127.0.0.1 is not public" in warning["cause"] for warning in warnings)
    assert all("set ROWLINE_WEBHOOK_ALLOW" in warning["cause"] for warning in warnings)
    assert restarted.output.count("endpoint_not_allowed") == 2


@pytest.mark.parametrize("is_known", [True, False])
def test_an_endpoint_under_tls_is_called_if_its_certificate_is_good(
    db: Database, shared_url: str, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    authority = trustme.CA()
    with authority.cert_pem.tempfile() as file:
        if is_known:
            monkeypatch.setenv("SSL_CERT_FILE", file)
        certificate = authority.issue_cert("127.0.0.1")
        with Receiver(tls=receivers.tls(certificate)) as receiver, receivers.dispatcher(shared_url):
            receivers.register(db, receiver.url)
            job = in_status(db, add(db, new())[0])

    assert job.status is (Status.COMPLETED if is_known else Status.FAILED)
    assert is_known or "TLS with the endpoint failed" in (job.failed_reason or "")


def test_a_dispatcher_that_is_killed_loses_no_job(db: Database, shared_url: str) -> None:
    with Receiver(silence) as receiver:
        receivers.register(db, receiver.url)
        with receivers.dispatcher(shared_url, lease_ms=500, recover_ms=60_000) as first:
            job_id = add(db, new())[0]
            receiver.expect(1)
            first.end(signal.SIGKILL)
        receiver.behaviour = says()
        with receivers.dispatcher(shared_url, recover_ms=50):
            job = in_status(db, job_id)

    assert (job.status, job.stalled_count, len(receiver.calls)) == (Status.COMPLETED, 1, 2)


def test_a_call_whose_lease_is_lost_is_broken_off_and_its_answer_refused(db: Database, shared_url: str) -> None:
    with Receiver(silence) as receiver, receivers.dispatcher(shared_url, lease_ms=900, recover_ms=60_000) as running:
        receivers.register(db, receiver.url)
        job_id = add(db, new())[0]
        receiver.expect(1)
        give_away(job_id, shared_url)
        running.expect("lease_lost")
        until(lambda: receiver.open == 0)

    assert find(db, job_id).status is Status.ACTIVE


def test_the_call_of_a_job_that_its_own_dispatcher_claims_again_is_broken_off_before_the_next_heartbeat(
    db: Database, shared_url: str
) -> None:
    ages_ms = 600_000  # a heartbeat comes in 200 s
    with Receiver(silence) as receiver, receivers.dispatcher(shared_url, lease_ms=ages_ms, recover_ms=50) as running:
        receivers.register(db, receiver.url, concurrency=2, timeout_ms=ages_ms)
        job_id = add(db, new())[0]
        receiver.expect(1, within_s=60)
        databases.run(shared_url, f"update rowline.jobs set leased_until = added_at where number = {job_id}")
        receiver.expect(2, within_s=60)
        until(lambda: receiver.open == 1, within_s=60)
        running.expect("lease_lost", within_s=60)

    job = find(db, job_id)
    assert (job.attempts_started, job.stalled_count) == (2, 1)


def give_away(job_id: str, url: str) -> None:
    """Give the job to somebody else."""
    databases.run(url, f"update rowline.jobs set lease_token = gen_random_uuid() where number = {job_id}")


def test_an_outcome_that_cannot_be_told_keeps_no_other_from_being_told_and_no_job_from_being_called_for(
    db: Database, shared_url: str
) -> None:
    let_go = threading.Event()

    def behaviour(connection: socket.socket, call: Call) -> None:
        if call.job["name"] == "locked":
            let_go.wait(60)
        connection.sendall(answer())

    with Receiver(behaviour) as receiver, receivers.dispatcher(shared_url, lock_ms=50) as running:
        receivers.register(db, receiver.url, concurrency=20)
        locked = add(db, new("locked"))[0]
        receiver.expect(1)
        with db.begin() as conn:
            conn.exec_driver_sql(f"select from rowline.jobs where number = {locked} for update")
            let_go.set()
            running.expect("settle_failed")
            for job_id in add(db, *(new() for _ in range(5))):
                assert in_status(db, job_id).status is Status.COMPLETED
            assert find(db, locked).status is Status.ACTIVE
        assert in_status(db, locked).status is Status.COMPLETED


def test_sigterm_lets_calls_end_and_releases_the_rest(db: Database, shared_url: str) -> None:
    stopping = threading.Event()

    def slow(connection: socket.socket, call: Call) -> None:
        if call.job["name"] != "quick":
            silence(connection, call)
        stopping.wait(60)
        connection.sendall(answer())

    no_end = 600_000  # of leases: it ends when all is told
    with Receiver(slow) as receiver, receivers.dispatcher(shared_url, drain_ms=3_000, lease_ms=no_end) as running:
        receivers.register(db, receiver.url, concurrency=2)
        quick, long, later = add(db, new("quick"), new("long"), new("later"))
        receiver.expect(2)
        running.process.send_signal(signal.SIGTERM)
        stopping.set()
        assert running.end() == 0

    assert find(db, quick).status is Status.COMPLETED
    assert [find(db, job_id).status for job_id in (long, later)] == [Status.WAITING] * 2
    assert find(db, long).attempts_made == 0


def test_an_answer_that_comes_after_the_lease_is_lost_changes_nothing(db: Database, shared_url: str) -> None:
    with Receiver(silence) as receiver, receivers.dispatcher(shared_url) as running:
        let_go = threading.Event()

        def late(connection: socket.socket, _call: Call) -> None:
            let_go.wait(60)
            connection.sendall(answer())

        receiver.behaviour = late
        receivers.register(db, receiver.url)
        job_id = add(db, new())[0]
        receiver.expect(1)
        give_away(job_id, shared_url)
        let_go.set()
        running.expect("lease_lost")

    assert find(db, job_id).status is Status.ACTIVE


def test_a_cancelled_job_has_its_call_broken_off(db: Database, shared_url: str) -> None:
    with Receiver(silence) as receiver, receivers.dispatcher(shared_url, lease_ms=600):
        receivers.register(db, receiver.url)
        job_id = add(db, new(attempts=3))[0]
        receiver.expect(1)
        manage.cancel(db, actor=ACTOR, queue="q", job_id=job_id)
        job = in_status(db, job_id)
        until(lambda: receiver.open == 0)

    assert (job.status, job.failed_reason) == (Status.FAILED, "job cancelled")


def test_jobs_that_are_not_to_be_kept_are_gone_when_their_calls_have_ended(db: Database, shared_url: str) -> None:
    def behaviour(connection: socket.socket, call: Call) -> None:
        status = "500 Internal Server Error" if call.job["name"] == "bad" else "200 OK"
        connection.sendall(answer(status))

    with Receiver(behaviour) as receiver, receivers.dispatcher(shared_url):
        receivers.register(db, receiver.url)
        none = {"remove_on_complete": Keep(count=0), "remove_on_fail": Keep(count=0)}
        add(db, new("good", **none), new("bad", **none), new("bad", **none, attempts=2))
        until(lambda: databases.ask(shared_url, "select number from rowline.jobs") == [])

    assert len(receiver.calls) == 4
    assert databases.ask(shared_url, "select count(outcome), count(*) from rowline.removed_jobs") == [(2, 2)]
    work.fold(db)
    assert databases.ask(shared_url, "select octet_length(attempts) from rowline.removed_packs") == [(24,)]


def test_a_call_ends_with_the_time_of_its_job(db: Database, shared_url: str) -> None:
    with Receiver(silence) as receiver, receivers.dispatcher(shared_url, lease_ms=600, recover_ms=50):
        receivers.register(db, receiver.url)
        job = in_status(db, add(db, new(timeout_ms=200))[0])
        until(lambda: receiver.open == 0)

    assert (job.status, job.failed_reason) == (Status.FAILED, "job timed out after 200 ms")
