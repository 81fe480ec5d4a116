"""A fair line."""

import threading
from concurrent.futures import ThreadPoolExecutor

from app.postgres.semaphore import FairSemaphore
from tests.support.clusters import until


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
            until(lambda number=number: len(turns._line) == number + 1)  # type: ignore[misc]  # noqa: SLF001
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
