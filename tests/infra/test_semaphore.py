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
    permits, went = FairSemaphore(4), list[str]()
    assert all(permits.take(holder=holder) for holder in "aaad")
    assert not permits.take(holder="b")

    def go(holder: str) -> None:
        assert permits.take(holder=holder, timeout_s=10)
        went.append(holder)
        permits.give(holder=holder)

    with ThreadPoolExecutor(6) as pool:
        for nth, holder in enumerate(["a", "a", "a", "b", "b", "c"], start=1):
            pool.submit(go, holder)
            until(lambda nth=nth: sum(map(len, permits._lines.values())) == nth)  # type: ignore[misc]  # noqa: SLF001
        permits.give(holder="d")
        until(lambda: len(went) == 3)
        permits.give(3, holder="a")
    assert went == ["b", "c", "b", "a", "a", "a"], "the one with three waits until others have enough"
    assert permits.free == 4


def test_a_holder_leaves_a_quarter_to_others_and_two_leave_a_seventh() -> None:
    permits = FairSemaphore(8)
    assert [permits.take(holder="a") for _ in range(8)] == [True] * 6 + [False] * 2
    assert permits.take(holder="b")
    assert not permits.take(holder="b"), "none would be left"
    permits.give(3, holder="a")
    assert [permits.take(holder="b") for _ in range(3)] == [True, True, False]
    assert [permits.take(holder="c") for _ in range(2)] == [True, False]
    assert permits.is_free(1, holder="d")
    assert permits.take(holder="d"), "who has none is served while any is left"
    assert not permits.is_free(1, holder="e")


def test_who_names_no_holder_has_no_limit() -> None:
    permits = FairSemaphore(4)
    assert [permits.take() for _ in range(5)] == [True] * 4 + [False]


def test_a_holder_that_waits_because_it_has_enough_holds_up_no_other() -> None:
    permits = FairSemaphore(4)
    assert permits.take(3, holder="a")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(permits.take, holder="a", timeout_s=10)
        until(lambda: "a" in permits._lines)  # noqa: SLF001
        assert permits.take(holder="b")
        permits.give(holder="b")
        assert not waiting.done()
        permits.give(2, holder="a")
        assert waiting.result()


def test_who_needs_more_than_is_free_is_not_overtaken_by_those_who_need_less() -> None:
    permits = FairSemaphore(4)
    assert permits.take(2, holder="a")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(permits.take, 3, holder="b", timeout_s=10)
        until(lambda: "b" in permits._lines)  # noqa: SLF001
        assert not permits.take(holder="c")
        permits.give(2, holder="a")
        assert waiting.result()


def test_a_holder_that_waited_in_vain_leaves_no_line() -> None:
    permits = FairSemaphore(1)
    assert permits.take(holder="a")
    assert not permits.take(holder="b", timeout_s=0.01)
    permits.give(holder="a")
    assert permits.take(holder="a")
    assert not permits.take(holder="a")
    permits.give(holder="a")
    assert permits.free == 1
