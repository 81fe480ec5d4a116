"""What an endpoint is sent of its jobs depends on the token that registered it, as what a worker is shown does."""

import json
from collections.abc import Iterator

import pytest

from app.domain.tokens import Action
from app.postgres.database import Database
from tests.support import raw, receivers
from tests.support.clusters import Program, until
from tests.support.raw import Server
from tests.support.receivers import Receiver, says
from tests.support.tokens import issue

CANARY = "canary-0b7d44"
JOBS = "/queues/q/jobs"


@pytest.fixture(scope="module")
def server(shared_url: str) -> Iterator[Server]:
    """`rowline serve`, for endpoints on this machine."""
    with raw.server(shared_url, ROWLINE_WEBHOOK_ALLOW=receivers.LOOPBACK) as server:
        yield server


@pytest.fixture
def program(shared_url: str, db: Database) -> Iterator[Program]:
    """A dispatcher, on the empty database."""
    assert db
    with receivers.dispatcher(shared_url) as running:
        yield running


def ask(server: Server, path: str, body: object, token: str = raw.TOKEN) -> object:
    [said] = server.ask(raw.request("POST", path, body=json.dumps(body).encode(), token=token), wanted=1)
    assert said.status == 200, said.body
    return said.json() if said.headers["content-type"] == "application/json" else said.body


def failed_once(server: Server) -> None:
    """Add a job, and have one attempt leave progress, a reason and a stack trace."""
    ask(server, JOBS, [{"name": "n", "data": {"to": "ada"}, "opts": {"jobId": "j", "attempts": 3}}])
    [lease] = ask(server, f"{JOBS}/claim", {})["jobs"]  # type: ignore[index]
    ask(server, f"{JOBS}/j/progress", {CANARY: 1}, lease["token"])
    ask(server, f"{JOBS}/j/fail", {"token": lease["token"], "failedReason": CANARY, "stacktrace": CANARY})


@pytest.mark.parametrize(
    ("scopes", "hidden"),
    [
        ([action for action in Action if action is not Action.PAYLOAD], ["progress", "failedReason", "stacktrace"]),
        (["endpoints:manage@q", "payload@other"], ["progress", "failedReason", "stacktrace"]),
        (["endpoints:manage@q", "payload@q"], None),
        (["*"], None),
    ],
)
def test_an_endpoint_is_sent_what_attempts_left_only_if_the_token_that_registered_it_may_see_it(
    server: Server, db: Database, program: Program, scopes: list[str], hidden: list[str] | None
) -> None:
    assert program
    failed_once(server)
    registrar = issue(db, *scopes).secret
    with Receiver(says()) as receiver:
        ask(server, "/workers", {"queue": "q", "endpoint": {"url": receiver.url, "method": "POST"}}, registrar)
        until(lambda: receiver.calls)

    [call] = receiver.calls
    assert call.job["data"] == {"to": "ada"}
    assert call.job["attemptsMade"] == 1
    assert call.job.get("hidden") == hidden
    assert (CANARY in call.body.decode()) is (hidden is None)
