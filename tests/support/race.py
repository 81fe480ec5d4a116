"""Many at once: threads that all begin at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

RACERS = 16
T = TypeVar("T")


def race(racer: Callable[[int], T]) -> list[T]:
    """Have all racers begin at once; return what they return, and raise what they raise."""
    line = threading.Barrier(RACERS)

    def run(nth: int) -> T:
        line.wait()
        return racer(nth)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))
