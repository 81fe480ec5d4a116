"""A fair line."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.infra.semaphore import FairSemaphore
from tests.support.clusters import IMPORTABLE, PYTHON, until

PATH = ":".join(IMPORTABLE)


def test_who_came_first_goes_first() -> None:
    turns, went = FairSemaphore(1), []
    assert turns.take(timeout_s=0)

    def go(number: int) -> None:
        assert turns.take(timeout_s=10)
        went.append(number)
        turns.give()

    with ThreadPoolExecutor(5) as pool:
        for number in range(5):
            pool.submit(go, number)
            until(lambda number=number: sum(map(len, turns._lines.values())) == number + 1)  # type: ignore[misc]  # noqa: SLF001
        turns.give()
    assert went == [0, 1, 2, 3, 4]


def test_a_wait_ends_and_leaves_the_line() -> None:
    turns = FairSemaphore(1)
    assert turns.take(timeout_s=0)
    assert not turns.take(timeout_s=0.01)
    turns.give()
    assert turns.take(timeout_s=0), "nobody stands in the line any more"


def test_no_more_than_there_are_turns_go_at_once() -> None:
    turns, inside, most, lock = FairSemaphore(3), [0], [0], threading.Lock()

    def go() -> None:
        for _ in range(200):
            assert turns.take(timeout_s=10)
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1
            turns.give()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(go)
    assert most[0] <= 3
    assert all(turns.take(timeout_s=0) for _ in range(3))


KILLED = """
from gevent import monkey; monkey.patch_all()
import gevent
from app.infra.semaphore import FairSemaphore
turns = FairSemaphore(2)
assert turns.take(timeout_s=0) and turns.take(timeout_s=0)
def go():
    if turns.take(timeout_s=60):
        turns.give()
waiting = [gevent.spawn(go) for _ in range(3)]
while sum(map(len, turns._lines.values())) < 3:
    gevent.sleep(0)
if {is_granted}:
    turns.give()
    turns.give()
gevent.killall(waiting)
if not {is_granted}:
    turns.give()
    turns.give()
print([turns.take(timeout_s=0) for _ in range(3)])
"""


@pytest.mark.parametrize("is_granted", [False, True])
def test_a_greenlet_that_is_killed_while_it_waits_keeps_no_permit(*, is_granted: bool) -> None:
    """Also if it was granted one in that moment."""
    argv = [*PYTHON, "-c", KILLED.format(is_granted=is_granted)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": PATH})
    assert done.stdout == "[True, True, False]\n"


def test_of_those_who_wait_the_holder_with_the_fewest_permits_is_next() -> None:
    permits, went = FairSemaphore(2), list[str]()
    assert permits.take(holder="a")
    assert permits.take(holder="a")
    assert not permits.take(holder="b")

    def go(holder: str) -> None:
        assert permits.take(holder=holder, timeout_s=10)
        went.append(holder)
        permits.give(holder=holder)

    with ThreadPoolExecutor(6) as pool:
        for nth, holder in enumerate(["a", "a", "a", "b", "b", "c"], start=1):
            pool.submit(go, holder)
            until(lambda nth=nth: sum(map(len, permits._lines.values())) == nth)  # type: ignore[misc]  # noqa: SLF001
        permits.give(holder="a")
    permits.give(holder="a")
    assert went[:2] == ["b", "c"], "they have none, and the one with two waits"
    assert sorted(went) == ["a", "a", "a", "b", "b", "c"]
    assert permits.free == 2


def test_a_holder_that_waited_in_vain_leaves_no_line() -> None:
    permits = FairSemaphore(1)
    assert permits.take(holder="a")
    assert not permits.take(holder="b", timeout_s=0.01)
    permits.give(holder="a")
    assert permits.take(holder="a")
    assert not permits.take(holder="a")
    permits.give(holder="a")
    assert permits.free == 1
