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
from app.operations.eventstreams import AT_ONCE
from app.postgres.database import Database
from app.web import auth
from app.web.dashboard import live
from app.web.dashboard.pace import FIRST_S, LONGEST_S, SHARE, Pace
from tests.support import databases, raw
from tests.support.acting import ACTOR
from tests.support.raw import TOKEN, Server, request
from tests.support.tokens import issue

CHANGED = b"event: changed\n"


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
        began_at = time.monotonic()
        add(server, 1)
        assert stream.changed() == b'{"added": 1, "pauseMs": 1000}'
        for _ in range(20):
            add(server, 1)
        words: list[int] = []
        while sum(words) < 20:
            words.append(json.loads(stream.changed())["added"])
        took_s = time.monotonic() - began_at
        assert took_s > 0.5, "not before the second is over"
        assert len(words) <= took_s + 1, "no more than one a second"


def test_a_queue_and_a_job_hear_of_themselves_alone(server: Server, cookie: str) -> None:
    with opened(server, "?queue=a%20b", cookie) as stream, opened(server, "", cookie) as all_of_them:
        add(server, 1, queue="other")
        assert all_of_them.changed() == b'{"added": 1, "pauseMs": 1000}'
        add(server, 2, queue="a%20b")
        assert stream.changed() == b'{"added": 2, "pauseMs": 1000}'


def test_more_than_a_stream_can_hold_is_still_one_word(cookie: str, shared_url: str) -> None:
    with raw.server(shared_url) as server, opened(server, "?queue=q", cookie) as stream:
        for _ in range(5):
            add(server, AT_ONCE)
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
        elif how == "signed out":
            sessions.end(db, actor=ACTOR, secret=secret)
            add(server, 1)
        else:
            databases.run(shared_url, f"update rowline.sessions set seen_at = now() - interval '{domain.IDLE_S} s'")
            add(server, 1)
        assert stream.changed() == b""


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


def test_the_more_pages_are_open_the_less_often_each_hears() -> None:
    pace = Pace()
    with contextlib.ExitStack() as stack:
        numbers = [stack.enter_context(pace.page()) for _ in range(100)]
        pauses = [pace.pause_s(number) for number in numbers]
        assert 0.9 * SHARE < FIRST_S * sum(1 / pause for pause in pauses) < 1.1 * SHARE
        assert len({round(pause, 2) for pause in pauses}) > 50, "they do not ask at once"
        lags = sorted(pace.lag_s(number) for number in numbers)
        assert (lags[0] < 0.5, lags[-1] > 8.5, lags[50] > 4) == (True, True, True), "after a quiet time neither"
    assert (pace.pause_s(101), pace.lag_s(101)) == (1.0, 0.0), "all are closed"


@pytest.mark.parametrize("took_s", [0.004, 0.05])
def test_the_longer_refreshes_take_the_less_often_pages_hear(took_s: float) -> None:
    pace = Pace()
    with contextlib.ExitStack() as stack:
        numbers = [stack.enter_context(pace.page()) for _ in range(40)]
        for _ in range(500):
            pace.note(took_s)
        pauses = [pace.pause_s(number) for number in numbers]
        assert 0.9 * SHARE < took_s * sum(1 / pause for pause in pauses) < 1.1 * SHARE
        for _ in range(500):
            pace.note(1e6)  # the database was away
        assert {pace.pause_s(number) for number in numbers} == {LONGEST_S}
        assert all(pace.lag_s(number) < LONGEST_S for number in numbers)


def test_a_session_that_ends_in_a_long_pause_is_seen_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.01)
    answers = iter([True, False])
    began_at, pause_s = time.monotonic(), 500.0
    assert not live.rests(pause_s, lambda: next(answers))
    assert live.rests(0.01, lambda: False), "a short one is over before"
    assert time.monotonic() - began_at < pause_s


def test_each_of_many_pages_hears_of_what_happened_in_its_pause(cookie: str, shared_url: str) -> None:
    with raw.server(shared_url) as server, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(opened(server, "?queue=q", cookie)) for _ in range(10)]
        add(server, 1)
        for stream in streams:
            said = json.loads(stream.changed())
            assert said["pauseMs"] > 1_000
        add(server, 1)
        for stream in streams:
            assert stream.changed()
