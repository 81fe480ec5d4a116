"""What a token may use, and how many wrong ones an address may send."""

import dataclasses
import ipaddress
import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.tokens import Limits
from app.infra.settings import Settings
from app.postgres.database import Database, DatabaseError
from app.store import keys
from app.web import app
from tests.support import answers
from tests.support.client import Client
from tests.support.tokens import issue

JOBS = "/queues/q/jobs"
JOB = {"name": "n", "data": 1}


class Clock:
    """The monotonic clock, which stands still unless a test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("app.web.quotas.time.monotonic", lambda: self.now)


@pytest.fixture
def client(settings: Settings, db: Database) -> Client:
    """A program with a token, talking to an application of its own: what it remembers by a clock that stands still,
    it would go on trusting in other tests, if that clock is ahead of the machine's."""
    return Client(app.create(settings, db).test_client(), token=settings.tokens[0])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def refused(answer: TestResponse) -> int:
    """Return the Retry-After of a request that was over a limit."""
    assert answers.problem(answer, 429)["code"] == "over_quota"
    return int(answer.headers["Retry-After"])


def test_requests_over_the_limit_of_a_token_are_refused_until_it_has_rested(
    client: Client, db: Database, clock: Clock
) -> None:
    program = Client(client.flask, token=issue(db, "jobs:read", limits=Limits(requests_per_s=3)).secret)

    assert [program.get(JOBS).status_code for _ in range(3)] == [200] * 3
    assert refused(program.get(JOBS)) == 1
    clock.now += 0.34
    assert [program.get(JOBS).status_code for _ in range(2)] == [200, 429]
    assert client.get(JOBS).status_code == 200
    clock.now += 60
    assert [program.get(JOBS).status_code for _ in range(4)] == [200] * 3 + [429]


def test_a_token_of_one_request_a_second_gets_one(client: Client, db: Database, clock: Clock) -> None:
    program = Client(client.flask, token=issue(db, "jobs:read", limits=Limits(requests_per_s=1)).secret)

    assert [program.get(JOBS).status_code for _ in range(2)] == [200, 429]
    clock.now += 0.99
    assert program.get(JOBS).status_code == 429
    clock.now += 0.02
    assert program.get(JOBS).status_code == 200


def test_jobs_over_the_limit_are_not_added_and_a_large_request_is_paid_for_afterwards(
    client: Client, db: Database, clock: Clock
) -> None:
    program = Client(client.flask, token=issue(db, "jobs:add", limits=Limits(jobs_per_s=2)).secret)

    assert len(program.add(*[JOB] * 20)) == 20
    assert refused(program.post(JOBS, json.dumps([JOB]))) == 10
    assert program.post(JOBS, "[]").status_code == 200
    clock.now += 9.6
    assert len(program.add(JOB)) == 1
    assert client.page()["counts"]["waiting"] == 21


def test_a_queue_in_which_too_many_jobs_wait_gets_no_more(client: Client, db: Database) -> None:
    program = Client(client.flask, token=issue(db, "jobs:add", limits=Limits(waiting_jobs=3)).secret)
    program.add(JOB, JOB | {"opts": {"priority": 1}}, JOB | {"opts": {"delay": 60_000}})

    assert refused(program.post(JOBS, json.dumps([JOB]))) == 5
    assert len(program.add(JOB, queue="other")) == 1
    answers.ok(client.post(f"{JOBS}/claim", ""))
    assert len(program.add(JOB)) == 1
    assert refused(program.post(JOBS, json.dumps([JOB]))) == 5


def test_the_twenty_first_wrong_token_of_an_address_within_a_minute_is_put_off_and_a_right_one_is_served(
    client: Client, db: Database, clock: Clock
) -> None:
    right = issue(db, "jobs:read").secret

    def status(token: str, address: str = "192.0.2.1") -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return client.flask.get(JOBS, headers=headers, environ_overrides={"REMOTE_ADDR": address}).status_code

    assert [status(f"wrong-{nth}") for nth in range(21)] == [401] * 20 + [429]
    assert status(right) == 200
    assert [status("wrong", "192.0.2.2"), status("wrong", "2001:db8::1")] == [401, 401]
    clock.now += 59
    assert status("wrong") == 429
    clock.now += 2
    assert status("wrong") == 401


def test_a_stored_answer_is_given_again_whatever_the_limits_are(client: Client, db: Database, clock: Clock) -> None:
    token = issue(db, "jobs:add", limits=Limits(jobs_per_s=1, waiting_jobs=1))
    program = Client(client.flask, token=token.secret)
    said = [program.post(JOBS, json.dumps([JOB]), Idempotency_Key="k") for _ in range(3)]

    assert [answer.status_code for answer in said] == [200] * 3
    assert said[0].text == said[2].text
    assert refused(program.post(JOBS, json.dumps([JOB]), Idempotency_Key="other")) == 5


def test_jobs_of_a_transaction_that_is_tried_again_count_once(
    client: Client, db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Client(client.flask, token=issue(db, "jobs:add", limits=Limits(jobs_per_s=2)).secret)
    keep, troubles = keys.keep, [DatabaseError("a lock was not had in time", is_worth_another_try=True)]

    def keep_late(*args: Any, **more: Any) -> None:
        if troubles:
            raise troubles.pop()
        keep(*args, **more)

    monkeypatch.setattr(keys, "keep", keep_late)
    answers.ok(program.post(JOBS, json.dumps([JOB, JOB]), Idempotency_Key="k"))
    assert not troubles
    assert refused(program.post(JOBS, json.dumps([JOB, JOB]), Idempotency_Key="other")) == 1


def test_what_is_refused_because_too_many_wait_uses_up_no_rate(client: Client, db: Database, clock: Clock) -> None:
    program = Client(client.flask, token=issue(db, "jobs:add", limits=Limits(jobs_per_s=10, waiting_jobs=5)).secret)
    program.add(*[JOB] * 5)
    clock.now += 1

    assert refused(program.post(JOBS, json.dumps([JOB] * 600))) == 5
    answers.ok(client.post(f"{JOBS}/claim", json.dumps({"count": 5})))
    assert len(program.add(JOB)) == 1


@pytest.mark.parametrize(
    ("forwarded", "counts_as"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.3", "10.0.0.3"),
        ("fe80::1%'<x>", "fe80::1"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_behind_a_trusted_proxy_the_last_address_that_is_none_counts(
    settings: Settings, db: Database, forwarded: str, counts_as: str
) -> None:
    trusting = dataclasses.replace(settings, trusted_proxies=(ipaddress.ip_network("10.0.0.0/24"),))
    client = Client(app.create(trusting, db).test_client(), token=settings.tokens[0])
    client.flask.post(
        f"{JOBS}/absent/cancel",
        headers={"X-Forwarded-For": forwarded} | client.authorization,
        environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
    )
    made = client.flask.post(
        "/tokens",
        data=json.dumps({"name": "n", "scopes": ["work"]}),
        headers={"X-Forwarded-For": forwarded} | client.authorization,
        environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
    )
    assert made.status_code == 200

    assert answers.ok(client.get("/audit?action=tokens.create"))["entries"][0]["address"] == counts_as


def test_from_anybody_else_the_header_names_no_address(client: Client) -> None:
    for nth in range(21):
        answer = client.flask.get(
            JOBS, headers={"Authorization": "Bearer wrong", "X-Forwarded-For": f"198.51.100.{nth}"}
        )
    assert refused(answer) > 0
