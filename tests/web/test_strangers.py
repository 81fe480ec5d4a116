"""What those can cost others who have no token."""

import contextlib
import gc
import socket
import statistics
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.ggevent import GeventWorker

from app.domain.errors import SlowBody
from app.infra import cooperation
from app.web import clients, incoming, throttling, worker
from tests.support import raw
from tests.support.client import Client
from tests.support.raw import DEADLINE_S, Server

REFUSED = b"HTTP/1.1 4"  # 401, and 429 after twenty
SENT, ASKED = 1_000, 50


def test_who_has_no_token_has_a_small_share_of_a_process(server: Server) -> None:
    """Requests that wait for nothing stand behind one another; beside them somebody with a token asks, in turn."""
    wrong = raw.request("GET", "/queues/q/jobs", token="no-such-token")
    right = raw.request("GET", "/queues/q/jobs")
    server.ask(right * 20, wanted=20)  # what is done at first only is done
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as stranger:
        threading.Thread(target=stranger.sendall, args=(wrong * SENT,), daemon=True).start()
        refused = stranger.recv(2**16).count(REFUSED)
        beside = _beside([stranger], server, right, times=ASKED)
        refused += sum(beside)
        while refused < SENT - 10 - ASKED:  # a word may be cut in two; all of them are answered in the end
            refused += stranger.recv(2**16).count(REFUSED)

    assert statistics.median(beside) < 4


def test_health_waits_for_no_crowd_of_other_strangers(server: Server) -> None:
    """A load balancer may have the address of those who come through it."""
    wrong = raw.request("GET", "/queues/q/jobs", token="no-such-token")
    server.ask(raw.request("GET", "/health/ready"), wanted=1)
    with contextlib.ExitStack() as stack:
        crowd = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S))
            for _ in range(100)
        ]
        for stranger in crowd:
            stranger.sendall(wrong * 100)
        _there(crowd[0])
        before = sum(_there(stranger).count(REFUSED) for stranger in crowd)
        beside = _beside(crowd, server, raw.request("GET", "/health/ready"), times=20)

    assert before < 100 * len(crowd)
    assert statistics.median(beside) < 20  # of 100 whom each check would wait for, if it had no place of its own


@pytest.fixture
def small(own_url: str) -> Iterator[Server]:
    """Serve 64 connections, none of which is let go by itself."""
    with raw.server(own_url, ROWLINE_API_CLIENTS="64", ROWLINE_API_PROCESSES="1", ROWLINE_CLIENT_S="3600") as server:
        yield server
        server.check()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Half: ",
        raw.request("GET", "/queues/q/jobs", token="no-such-token") * 200,
        raw.request("GET", "/openapi.json") * 100,
        raw.request("POST", "/queues/q/jobs", "Content-Length: 1000000", token="no-such-token"),
    ],
    ids=["silent", "half a head", "refused again and again", "long answers untaken", "a body that does not come"],
)
def test_a_crowd_that_has_all_connections_makes_room_for_whoever_comes(small: Server, sent: bytes) -> None:
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
        known.sendall(raw.request("GET", "/queues/q/jobs"))
        assert known.recv(2**16).startswith(b"HTTP/1.1 200")
        for _ in range(200):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
            with contextlib.suppress(ConnectionError):
                stranger.sendall(sent)

        for path in ("/queues/q/jobs", "/health/ready"):
            assert small.ask(raw.request("GET", path), wanted=1)[0].status == 200
        known.sendall(raw.request("GET", "/queues/q/jobs"))
        assert known.recv(2**16).startswith(b"HTTP/1.1 200"), "who has shown a good token is the last to be let go"


def test_those_who_have_shown_a_token_make_room_too(small: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
            idle.sendall(raw.request("GET", "/queues/q/jobs"))
            assert idle.recv(2**16).startswith(b"HTTP/1.1 200")


def test_who_has_not_sent_a_whole_head_yet_goes_behind_a_crowd_that_waits(small: Server) -> None:
    """Of a crowd that waits those make room who wait longest, not a friend who is about to show a token."""
    head = raw.request("GET", "/queues/q/jobs")
    with contextlib.ExitStack() as stack:
        friend = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
        friend.sendall(head[:20])
        for _ in range(200):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
            with contextlib.suppress(ConnectionError):
                stranger.sendall(raw.request("GET", "/queues/q/jobs", token="no-such-token") * 200)
        small.log()  # it has taken up all of them
        friend.sendall(head[20:])
        assert friend.recv(2**16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("fields", "shown", "fields_took_s"),
    [
        (b"", "", 0.0),
        (b"Host: x\r\n" + b"no field\r\n" * 90, "", 90 * incoming.FIELD_S),
        (b"X-Authorization: b\r\nAUTHORIZATION:\t Bearer abc \r\n", "Bearer abc", incoming.FIELD_S),
        (b"Authorization: Bearer abc\xa0\r\n", "Bearer abc\xa0", 0.0),
    ],
)
def test_of_a_stranger_whose_turn_does_not_come_no_field_is_read(
    fields: bytes, shown: str, fields_took_s: float
) -> None:
    asked = list[tuple[object, ...]]()

    def admit(*of: object) -> bool:
        asked.append(of)
        return False

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET /x?y HTTP/1.1\r\n" + fields + b"\r\n")
        with pytest.raises(StopIteration):
            incoming.Request(Config(), SocketUnreader(incoming.ThrottledSocket(ours, bool, admit)), ("10.0.0.1", 1))

    assert asked == [("/x", shown, pytest.approx(incoming.ACCEPT_S + incoming.HEAD_S + fields_took_s))]


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/no-such-path", 404), ("PUT", "/queues/q/jobs", 405)])
def test_a_friend_who_is_mistaken_keeps_his_connection(small: Server, method: str, path: str, status: int) -> None:
    asked = raw.request(method, path, body=b"x" * 200_000)

    answers = small.ask(asked * 2, wanted=2)

    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(status, "keep-alive")] * 2


class _Connection(SimpleNamespace):
    """What the application sees of a connection."""

    is_known = is_refused = False
    steps = 0

    def step_aside(self) -> None:
        """Count how often."""
        self.steps += 1

    def settimeout(self, _seconds: float) -> None:
        """Never mind."""


@pytest.mark.parametrize("shown", ["Bearer wrong", "Basic {}", ""])
def test_whoever_shows_no_valid_token_where_one_is_needed_is_a_stranger(client: Client, shown: str) -> None:
    connections = {"right": _Connection(), "wrong": _Connection(), "open": _Connection()}
    right = client.authorization["Authorization"]
    wrong = shown.format(right.split(" ")[1])
    for kind, (path, token) in {"right": ("/queues/q/jobs", right), "wrong": ("/queues/q/jobs", wrong)}.items():
        client.flask.get(
            path, headers={"Authorization": token}, environ_overrides={"gunicorn.socket": connections[kind]}
        )
    client.flask.get("/health/live", environ_overrides={"gunicorn.socket": connections["open"]})

    assert {kind: (one.is_known, one.is_refused) for kind, one in connections.items()} == {
        "right": (True, False),
        "wrong": (False, True),
        "open": (False, False),
    }


def test_a_connection_is_free_until_a_token_is_refused_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stayed so for as long as it lived, even if its token was revoked."""
    seen = list[bool]()
    acts: Iterator[Callable[[dict[str, Any]], object]] = iter([clients.vouch, bool, clients.disown, clients.vouch])
    monkeypatch.setattr(
        GeventWorker,
        "handle_request",
        lambda _self, _name, _req, sock, _addr: next(acts)({"gunicorn.socket": sock}),
    )
    monkeypatch.setattr(worker.Worker, "_take_rest", lambda *_: True)
    serving = object.__new__(worker.Worker)
    serving._refused, serving._throttle, serving.alive = {}, throttling.FairThrottle(), False
    asked = SimpleNamespace(path="/", client=None, forget_head=bool, should_close=bool)
    sock = incoming.ThrottledSocket(SimpleNamespace(), bool)

    def serve() -> None:
        for _ in range(4):
            serving.handle_request("", asked, sock, ("10.0.0.1", 1))
            seen.append(sock.is_free)

    gevent.spawn(serve).join()
    assert seen == [True, True, False, True]


@pytest.mark.parametrize(
    "path", ["/queues/q/jobs", "/queues/q/jobs/1/progress", "/openapi.json", "/nowhere", "/health/live"]
)
def test_a_request_lets_others_go_first_before_and_behind_what_it_does(client: Client, path: str) -> None:
    connection = _Connection()
    client.flask.get(path, headers={"Authorization": "Bearer wrong"}, environ_overrides={"gunicorn.socket": connection})

    assert connection.steps == 2


def test_whoever_waits_for_his_turn_lets_others_go_first_and_does_not_pay_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, steps, paid = 0.0, list[int](), list[float]()

    def step_aside() -> None:
        nonlocal now_s
        now_s += 1.0
        steps[-1] += 1

    monkeypatch.setattr(cooperation, "step_aside", step_aside)

    def wait_turn(_self: object, _who: object, took_s: float) -> bool:
        paid.append(took_s)
        return True

    monkeypatch.setattr(throttling.FairThrottle, "wait_turn", wait_turn)
    monkeypatch.setattr(time, "thread_time", lambda: now_s)

    def handle(_self: object, _name: str, asked: SimpleNamespace, connection: Any, _addr: object) -> None:
        if asked.path == "new":
            clients.vouch({"gunicorn.socket": connection})
        clients.step_aside({"gunicorn.socket": connection})

    monkeypatch.setattr(GeventWorker, "handle_request", handle)
    monkeypatch.setattr(worker.Worker, "_take_rest", lambda *_: True)
    serving, sock = object.__new__(worker.Worker), incoming.ThrottledSocket(SimpleNamespace(), bool)
    serving._refused, serving._silent, serving.alive = {}, {}, False
    serving._throttle = throttling.FairThrottle()
    serving.wsgi = SimpleNamespace(extensions={worker.TOKENS: SimpleNamespace(let_in="known".__eq__)})

    def serve() -> None:
        for shown in ("known", "wrong", "new"):
            steps.append(0)
            assert serving._admit(SimpleNamespace(getsockopt=lambda *_: 0), ("10.0.0.1", 1), shown, shown, 0.0)
            asked = SimpleNamespace(path=shown, client=None, forget_head=bool, should_close=bool)
            serving.handle_request("", asked, sock, ("10.0.0.1", 1))

    gevent.spawn(serve).get()
    assert steps == [0, 2, 1]
    assert max(paid) == pytest.approx(2 * incoming.ROUND_S)


def test_a_request_of_whoever_is_gone_is_not_handled(small: Server) -> None:
    """While strangers wait for their turn, some of them leave: what they asked for is not looked up for nobody."""
    wrong = raw.request("GET", "/queues/q/jobs", token="no-such-token")
    with socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S) as crowd:
        crowd.sendall(wrong * 1_000)
        for _ in range(300):
            gone = socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S)
            gone.sendall(raw.request("GET", "/queues/gone/jobs", token="no-such-token"))
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.close()

    assert small.log().count('"/queues/gone/jobs"') < 100


def test_whoever_shows_a_good_token_on_a_new_connection_waits_for_no_stranger(small: Server) -> None:
    wrong, crowd = raw.request("GET", "/queues/q/jobs", token="no-such-token"), list[socket.socket]()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
            stranger.sendall(wrong * 500)
            crowd.append(stranger)
        beside = _beside(crowd, small, raw.request("GET", "/queues/q/jobs"), times=20)

    assert statistics.median(beside) < 20  # of 10,000


def test_an_attempt_that_was_known_before_waits_for_no_stranger_on_a_new_connection(small: Server) -> None:
    """Each report of a handler may come over a connection of its own, and from behind the proxy of a crowd."""
    [added] = small.ask(raw.request("POST", "/queues/q/jobs", body=b'[{"name":"n","data":1}]'), wanted=1)
    [claimed] = small.ask(raw.request("POST", "/queues/q/jobs/claim", body=b"{}"), wanted=1)
    [lease] = claimed.json()["jobs"]
    report = raw.request("POST", f"/queues/q/jobs/{added.json()[0]['id']}/progress", token=lease["token"], body=b"1")
    assert small.ask(report, wanted=1)[0].status == 200
    crowd = list[socket.socket]()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", small.port), timeout=DEADLINE_S))
            stranger.sendall(raw.request("GET", "/queues/q/jobs", token="no-such-token") * 500)
            crowd.append(stranger)
        beside = _beside(crowd, small, report, times=20)

    assert statistics.median(beside) < 20  # of 10,000


@pytest.mark.parametrize("wait", ["a request", "a body"])
def test_of_who_is_given_up_nothing_is_kept_until_a_full_collection(wait: str) -> None:
    """A crowd that comes and goes could hold hundreds of MiB, and have all others wait for that collection."""
    kept = list[weakref.ref[_Read]]()

    def serve() -> None:
        read = _Read()
        kept.append(weakref.ref(read))
        if wait == "a request":
            with worker.waiting({}, 0.001):
                read.read(1)
        else:
            with contextlib.suppress(SlowBody):
                clients.read({"wsgi.input": read}, length=1, limit=9, client_s=0.001)

    gc.collect()
    gc.disable()
    try:
        gevent.spawn(serve).join()
        assert kept[0]() is None
    finally:
        gc.enable()


class _Read:
    """What never comes."""

    def read(self, _size: int) -> bytes:
        gevent.sleep(DEADLINE_S)
        return b""


@pytest.mark.parametrize(
    ("framing", "rest"),
    [("Content-Length: 50000", b"x" * 50_000), ("Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n")],
)
def test_a_stranger_is_told_that_no_more_is_read_of_him(server: Server, framing: str, rest: bytes) -> None:
    [answer] = server.ask(raw.request("POST", "/queues/q/jobs", framing, token="wrong") + rest)

    assert answer.status in {401, 429}, "429 after twenty"
    assert answer.headers["connection"] == "close"


def test_a_stranger_who_sends_little_keeps_his_connection(server: Server) -> None:
    asked = raw.request("POST", "/queues/q/jobs", token="wrong", body=b"x" * 1_000)

    answers = server.ask(asked * 3, wanted=3)

    assert {answer.status for answer in answers} <= {401, 429}
    assert [answer.headers["connection"] for answer in answers] == ["keep-alive"] * 3


def test_behind_a_request_without_a_token_megabytes_are_paid_for(server: Server) -> None:
    """It is answered, and let go when it has sent for a second."""
    head = b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as stranger:
        stranger.sendall(head)
        assert stranger.recv(2**16).startswith(b"HTTP/1.1 200")
        with pytest.raises(OSError):  # noqa: PT011 - broken pipe or reset, as it happens
            stranger.sendall(b"x" * 10**9)


def _beside(crowd: Sequence[socket.socket], server: Server, sent: bytes, *, times: int) -> list[int]:
    """Have somebody ask so many times; return how many of the crowd's requests were refused meanwhile, each time.

    What is usual says what they cost: if the machine stops this process for a second, a thousand come within one.
    """
    refused = []
    for _ in range(times):
        assert server.ask(sent, wanted=1)[0].status == 200
        refused.append(sum(_there(stranger).count(REFUSED) for stranger in crowd))
    return refused


def _there(connection: socket.socket) -> bytes:
    """Return what has come by now."""
    received = b""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while more := connection.recv(2**20):
            received += more
    connection.settimeout(DEADLINE_S)
    return received
