"""Packets of those who have no token: each has its price, and none is taken for what it is not."""

import socket
import time

import pytest
from gunicorn.config import Config
from gunicorn.http.body import LengthReader
from gunicorn.http.unreader import SocketUnreader

from app.web import incoming, worker


def test_packets_of_a_stranger_are_paid_for_whatever_is_in_them() -> None:
    paid = list[float]()

    def pay(took_s: float) -> bool:
        paid.append(took_s)
        return len(paid) < 3

    ours, theirs = socket.socketpair()
    with ours, theirs:
        metered = incoming.ThrottledSocket(ours, pay)
        theirs.sendall(b"x" * 1_000)
        metered.is_free = True
        assert [metered.recv(1) for _ in range(100)] == [b"x"] * 100
        metered.begin()
        assert [metered.recv(1) for _ in range(incoming.PACKETS_FREE + 2)] == [b"x"] * (incoming.PACKETS_FREE + 2)
        with pytest.raises(ConnectionResetError):
            metered.recv(1)

    assert len(paid) == 3
    assert min(paid) >= incoming.PACKET_S


def test_a_body_whose_sender_is_turned_away_is_no_whole_body() -> None:
    """The rest of it would be taken for a request, and what the next client sends, behind a proxy, for its fields."""
    turns = iter([False] + [True] * 100)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            for _ in range(50):
                theirs.send(b"x")
        reader = LengthReader(SocketUnreader(incoming.ThrottledSocket(ours, lambda _: next(turns))), 100)
        is_whole = worker.take_rest(reader.read, lambda _: True)

    assert not is_whole


def test_a_body_in_small_pieces_is_not_read_to_its_end_but_a_head_is_and_a_body_in_large_ones() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    metered = incoming.ThrottledSocket(ours, lambda _: True)

    def reads(size: int) -> bytes:
        theirs.send(b"x" * size)
        return metered.recv(8_192)

    with ours, theirs:
        assert all(reads(1) for _ in range(3 * incoming.SMALL_MAX))
        metered.begin()
        assert all(reads(incoming.SMALL) for _ in range(3 * incoming.SMALL_MAX))
        assert all(reads(1) for _ in range(incoming.SMALL_MAX))
        with pytest.raises(ConnectionResetError):
            reads(1)
        for is_free in (True, False):
            metered.end(is_free=is_free)
            assert all(reads(1) for _ in range(3 * incoming.SMALL_MAX))


def test_of_whose_bytes_come_one_by_one_little_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is a piece of memory of its own, and nobody else is served until all that was asked for is copied."""
    now_s, asked = 0.0, list[int]()
    slow, quick = (1.0, 10_000), (incoming.READ_S, 10_000)
    reads = [slow, slow, quick, quick, slow, (incoming.READ_S, 5), quick, quick, quick]

    class Connection:
        def recv(self, size: int) -> bytes:
            nonlocal now_s
            asked.append(size)
            takes_s, there = reads.pop(0)
            now_s += takes_s
            return b"x" * min(there, size)

    monkeypatch.setattr(time, "thread_time", lambda: now_s)
    metered = incoming.ThrottledSocket(Connection(), lambda _took_s: True)
    while reads:
        metered.recv(8_192)

    assert asked == [1_024, 256, 256, 512, 1_024, 256, 256, 512, 1_024]


def test_a_long_head_in_one_packet_is_read_before_anybody_pays_for_it() -> None:
    """There may be a good token at its end: fields that a proxy adds, or cookies, make a head long."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 7_000)
        metered = incoming.ThrottledSocket(ours, lambda _: pytest.fail("he would have to wait"))
        read = b""
        while len(read) < 7_000:
            read += metered.recv(8_192)


@pytest.mark.parametrize(
    ("framing", "body", "read", "is_looked_for"),
    [
        ("X: none", b"", 0, False),
        ("Content-Length: 3", b"abc", 3, False),
        ("Content-Length: 3", b"abc", 0, True),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", 2, True),
    ],
)
def test_no_rest_of_a_body_is_looked_for_where_there_is_none(
    *, framing: str, body: bytes, read: int, is_looked_for: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "take_rest", lambda *_, **__: False)
    serving = object.__new__(worker.Worker)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(f"GET / HTTP/1.1\r\n{framing}\r\n\r\n".encode() + body)
        sock = incoming.ThrottledSocket(ours, bool, lambda *_: True)
        asked = incoming.Request(Config(), SocketUnreader(sock), ("10.0.0.1", 1))
        asked.client = incoming.BufferedSocket(sock)
        asked.body.read(read)

        assert serving._take_rest(asked, bool, 1.0) is not is_looked_for


def test_each_piece_that_nobody_wants_is_paid_for() -> None:
    pieces, paid = [b"x" * 9, b"x", b""], list[float]()

    def pay(took_s: float) -> bool:
        paid.append(took_s)
        return True

    assert worker.take_rest(lambda _: pieces.pop(0), pay, piece=9)
    assert len(paid) == 2
    assert min(paid) >= 0


def test_of_who_is_turned_away_nothing_more_is_read() -> None:
    pieces = [b"x", b"x", b""]

    assert not worker.take_rest(lambda _: pieces.pop(0), lambda _: False)
    assert len(pieces) == 2
