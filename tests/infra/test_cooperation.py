"""Long work lets others have their turns."""

import time
from concurrent.futures import ThreadPoolExecutor

import gevent
import pytest
from gevent import socket

from app.infra import callers, cooperation
from tests.support.clusters import until


def spin() -> None:
    until = time.perf_counter() + 2 * cooperation.PIECE_S
    while time.perf_counter() < until:
        pass


def test_a_thread_without_greenlets_gives_way_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system shares out its time; a loop of its own would take memory and descriptors."""
    asked: list[str] = []
    monkeypatch.setattr(gevent, "sleep", lambda *_: asked.append("sleep"))
    monkeypatch.setattr(gevent, "get_hub", lambda: asked.append("hub"))

    def work() -> None:
        spin()
        cooperation.give_way()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert asked == []


def test_who_waits_for_a_socket_has_a_turn_after_a_piece_of_work() -> None:
    ours, theirs = socket.socketpair()
    read: list[bytes] = []
    reader = gevent.spawn(lambda: read.append(ours.recv(1)))
    gevent.sleep(0.01)
    theirs.sendall(b"x")
    seen: list[int] = []

    def work() -> None:
        for _ in cooperation.in_pieces(range(5), size=1):
            spin()
        seen.append(len(read))

    gevent.spawn(work).join()
    assert seen == [1]
    reader.join()
    ours.close()
    theirs.close()


def test_who_steps_aside_goes_on_behind_everybody_who_is_ready() -> None:
    """Also behind those whose sockets have become ready since the event loop looked last."""
    seen: list[str] = []
    ours, theirs = socket.socketpair()

    def neighbour() -> None:
        while ours.recv(1):
            seen.append("neighbour")

    with ours, theirs:
        reader = gevent.spawn(neighbour)
        gevent.sleep(0.01)
        for _ in range(3):
            theirs.sendall(b"x")
            cooperation.step_aside()
            seen.append("stranger")
        reader.kill()
    assert seen == ["neighbour", "stranger"] * 3


def test_long_work_goes_round_by_caller() -> None:
    went: list[str] = []

    def work(caller: str) -> None:
        callers.current.set(caller)
        with cooperation.alone():
            went.append(caller)

    with ThreadPoolExecutor(4) as pool, cooperation.alone():
        for nth, caller in enumerate(("a", "a", "a", "b"), start=1):
            pool.submit(work, caller)
            until(lambda nth=nth: sum(map(len, cooperation._turn._lines.values())) == nth)  # type: ignore[misc]  # noqa: SLF001
        assert not went
    assert went == ["a", "b", "a", "a"]
