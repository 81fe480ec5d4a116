"""How often open pages hear of changes: the more are open, the less often, so that looking costs the work little."""

import contextlib
from collections.abc import Iterator

EVERY_S = 1.0
"""No page hears more often."""
REFRESHES_PER_S = 5
"""What the pages of a process may ask for together: each costs it some 20 ms, most of it waits for PostgreSQL."""
_SPREAD = 0.618034
"""The golden ratio: its multiples, without their whole parts, lie evenly between 0 and 1, however many there are."""


class Pace:
    """The streams of pages that are open in this process. Greenlets share it, and switch nowhere in it."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open = self._opened = 0

    @contextlib.contextmanager
    def page(self) -> Iterator[int]:
        """Count a page as open during the block; yield its number."""
        self._open += 1
        self._opened += 1
        try:
            yield self._opened
        finally:
            self._open -= 1

    def pause_s(self, number: int) -> float:
        """Return how long a page is to hear nothing. It differs from page to page, so that not all ask at once."""
        return max(EVERY_S, self._open / REFRESHES_PER_S * (0.75 + _lot(number) / 2))

    def lag_s(self, number: int) -> float:
        """Return how long a page is to wait with what all hear at once, after a quiet time."""
        return max(0.0, self._open / REFRESHES_PER_S - EVERY_S) * _lot(number)


def _lot(number: int) -> float:
    return number * _SPREAD % 1
