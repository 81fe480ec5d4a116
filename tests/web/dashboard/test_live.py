"""The stream that tells pages that something changed: at most once a second, as long as the session is good."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator

import pytest

from app.domain import sessions as domain
from app.domain.sessions import Shown
from app.domain.tokens import Limits
from app.operations import sessions, tokens
from app.postgres.database import Database
from app.web import auth
from app.web.events.stream import AT_ONCE
from tests.support import databases, raw
from tests.support.acting import ACTOR
from tests.support.raw import TOKEN, Server, request
from tests.support.tokens import issue

CHANGED = b"event: changed\n"
REVOKED_S = 5.0


class Stream:
    """A stream as a browser reads it."""

    def __init__(self, server: Server, query: str, cookie: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._http.request("GET", f"/dashboard/live{query}", headers={"Cookie": f"rowline={cookie}"})
        self._answer = self._http.getresponse()
        self.status = self._answer.status

    def line(self) -> bytes:
        return self._answer.readline()

    def changed(self) -> bytes:
        """Return the data of the next word that something changed; b"" at the end of the stream."""
        while line := self.line():
            if line == CHANGED:
                return self.line().removeprefix(b"data: ").strip()
        return b""

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def cookie(db: Database) -> str:
    return begin(db, auth.shown(TOKEN))


def begin(db: Database, shown: Shown) -> str:
    secret = sessions.begin(db, actor=ACTOR, shown=shown)
    assert secret
    return secret


@contextlib.contextmanager
def opened(server: Server, query: str, cookie: str) -> Iterator[Stream]:
    """Open a stream that hears of what happens from now on."""
    stream = Stream(server, query, cookie)
    try:
        assert stream.status == 200
        assert stream.line() == b":\n"
        yield stream
    finally:
        stream.close()


def add(server: Server, number: int, queue: str = "q") -> None:
    body = b"[%s]" % b",".join([b'{"name": "n", "data": 1}'] * number)
    [answer] = server.ask(request("POST", f"/queues/{queue}/jobs", body=body), wanted=1)
    assert answer.status == 200


def test_what_happens_within_a_second_is_one_word(server: Server, cookie: str) -> None:
    with opened(server, "?queue=q", cookie) as stream:
        add(server, 1)
        assert stream.changed() == b'{"added": 1}'
        began_at = time.monotonic()
        for _ in range(20):
            add(server, 1)
        assert stream.changed() == b'{"added": 20}'
        assert time.monotonic() - began_at > 0.5, "not before the second is over"


def test_a_queue_and_a_job_hear_of_themselves_alone(server: Server, cookie: str) -> None:
    with opened(server, "?queue=a%20b", cookie) as stream, opened(server, "", cookie) as all_of_them:
        add(server, 1, queue="other")
        assert all_of_them.changed() == b'{"added": 1}'
        add(server, 2, queue="a%20b")
        assert stream.changed() == b'{"added": 2}'


def test_more_than_a_stream_can_hold_is_still_one_word(cookie: str, shared_url: str) -> None:
    with raw.server(shared_url) as server, opened(server, "?queue=q", cookie) as stream:
        for _ in range(5):
            add(server, 1_000)
        add(server, 1)
        while json.loads(stream.changed())["added"] >= AT_ONCE:
            pass
        add(server, 1)
        assert stream.changed(), "it fell behind, and was opened again: it still hears what is new"


@pytest.mark.parametrize("how", ["revoked", "signed out", "idle"])
def test_a_stream_ends_with_its_session(server: Server, db: Database, shared_url: str, how: str) -> None:
    issued = issue(db, "dashboard", "events")
    secret = begin(db, auth.shown(issued.secret))
    with opened(server, "", secret) as stream:
        if how == "revoked":
            tokens.revoke(db, actor=ACTOR, token_id=issued.token.id)
            until = time.monotonic() + REVOKED_S
        elif how == "signed out":
            sessions.end(db, actor=ACTOR, secret=secret)
            add(server, 1)
            until = time.monotonic() + REVOKED_S
        else:
            databases.run(shared_url, f"update rowline.sessions set seen_at = now() - interval '{domain.IDLE_S} s'")
            add(server, 1)
            until = time.monotonic() + REVOKED_S
        assert stream.changed() == b""
        assert time.monotonic() < until


@pytest.mark.parametrize(("scopes", "status"), [(("jobs:read",), 403), (("events@mine",), 403), (("events",), 200)])
def test_who_may_not_hear_of_events_has_no_stream(
    server: Server, db: Database, scopes: tuple[str, ...], status: int
) -> None:
    stream = Stream(server, "?queue=q", begin(db, auth.shown(issue(db, "dashboard", *scopes).secret)))
    assert stream.status == status
    stream.close()


def test_a_stream_is_one_of_those_that_the_token_may_have(server: Server, db: Database) -> None:
    secret = begin(db, auth.shown(issue(db, "dashboard", "events", limits=Limits(streams=1)).secret))
    with opened(server, "", secret):
        second = Stream(server, "", secret)
        assert second.status == 429
        second.close()
