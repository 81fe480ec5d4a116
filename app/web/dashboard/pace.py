"""How often open pages hear of changes: the more are open, the less often, so that looking costs the work little."""

import contextlib
from collections.abc import Iterator

EVERY_S = 1.0
"""No page hears more often."""
SHARE = 0.05
"""The share of the time that the refreshes of a process may take together, most of which they wait for PostgreSQL."""
FIRST_S = 0.01
"""How long a refresh takes, as long as nothing is known: then five pages hear once a second."""
LONGEST_S = 60.0
_REMEMBERED = 50  # refreshes that say together how long one takes
_SPREAD = 0.618034
"""The golden ratio: its multiples, without their whole parts, lie evenly between 0 and 1, however many there are."""


class Pace:
    """The streams of pages that are open in this process. Greenlets share it, and switch nowhere in it."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open = self._opened = 0
        self._refresh_s = FIRST_S

    def note(self, took_s: float) -> None:
        """Note how long the refresh of a page took."""
        self._refresh_s += (min(took_s, LONGEST_S) - self._refresh_s) / _REMEMBERED

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
        return min(LONGEST_S, max(EVERY_S, self._turn_s * (0.75 + _lot(number) / 2)))

    def lag_s(self, number: int) -> float:
        """Return how long a page is to wait with what all hear at once, after a quiet time."""
        return max(0.0, min(LONGEST_S, self._turn_s) - EVERY_S) * _lot(number)

    @property
    def _turn_s(self) -> float:
        """The seconds in which each page may be refreshed once."""
        return self._open * self._refresh_s / SHARE


def _lot(number: int) -> float:
    return number * _SPREAD % 1
