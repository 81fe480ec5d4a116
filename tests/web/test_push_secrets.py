"""Who may register the endpoints of some queues only gets no call that the secrets of the service sign."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.postgres.database import Database
from tests.support import raw, receivers
from tests.support.clusters import Program, until
from tests.support.raw import Answer, Server
from tests.support.receivers import SECRET, Call, Receiver
from tests.support.tokens import issue

OWN = "whsec_" + "YSBzZWNyZXQgb2YgdGhlIGVuZHBvaW50IGl0c2VsZiwgbG9uZw=="


@pytest.fixture(scope="module")
def server(shared_url: str) -> Iterator[Server]:
    """`rowline serve`, with a secret of the service."""
    with raw.server(shared_url, ROWLINE_WEBHOOK_ALLOW=receivers.LOOPBACK, ROWLINE_WEBHOOK_SECRETS=SECRET) as server:
        yield server


@pytest.fixture
def program(shared_url: str, db: Database) -> Iterator[Program]:
    """A dispatcher with the same secret, on the empty database."""
    assert db
    with receivers.dispatcher(shared_url, webhook_secrets=SECRET) as running:
        yield running


def ask(server: Server, path: str, body: object, token: str = raw.TOKEN) -> Answer:
    [said] = server.ask(raw.request("POST", path, body=json.dumps(body).encode(), token=token), wanted=1)
    assert said.status == 200, said.body
    return said


def is_signed_by(secret: str, call: Call) -> bool:
    try:
        Webhook(secret).verify(call.body.decode(), call.headers)
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize(
    ("scopes", "secrets", "signer"),
    [
        (["endpoints:manage@mine"], [], None),
        (["endpoints:manage@m*", "jobs:read"], [], None),
        (["endpoints:manage@mine"], [OWN], OWN),
        (["endpoints:manage"], [], SECRET),
        (["*"], [], SECRET),
    ],
)
def test_the_secrets_of_the_service_sign_only_for_who_may_register_any_endpoint(
    server: Server, db: Database, program: Program, scopes: list[str], secrets: list[str], signer: str | None
) -> None:
    # A call that was signed by a secret of all queues could be sent on to the receiver of another queue, as genuine.
    assert program
    token = issue(db, *scopes).secret
    with Receiver() as receiver:
        endpoint = {"url": receiver.url, "method": "POST", "secrets": secrets}
        said = ask(server, "/workers", {"queue": "mine", "endpoint": endpoint}, token)
        ask(server, "/queues/mine/jobs", [{"name": "n", "data": {"pay": 1_000}}])
        until(lambda: receiver.calls)

    made_up = said.headers.get("rowline-webhook-secret")
    assert (made_up is None) is (signer is not None)
    [call] = receiver.calls
    assert is_signed_by(SECRET, call) is (signer == SECRET)
    assert is_signed_by(made_up or signer or "", call)
