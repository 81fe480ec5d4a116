"""A call that gives way while it waits for PostgreSQL: its caller goes on with something else, in the same thread."""

import select
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import psycopg
from greenlet import greenlet
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

_T = TypeVar("_T")
_V = TypeVar("_V")
_EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}


class DatabaseCoroutine(greenlet, Generic[_T]):
    """A call under way: it waits for `events`, as poll has them, on `descriptor`, until `ends_at` at the latest.

    No thread: what both sides share changes only while the call waits for a statement, and needs no lock. What waits
    for anything else keeps the caller waiting.
    """

    descriptor: int
    events: int
    ends_at: float  # by time.monotonic()

    def __init__(self, call: Callable[[], _T]) -> None:
        """Prepare `call`; the first `go_on` begins it."""
        super().__init__(call)

    @property
    def is_over(self) -> bool:
        """Whether it returned or raised."""
        return self.dead

    def go_on(self) -> _T | None:
        """Go on, once the events or the end have come; return what the call returns if it is over. Raises likewise."""
        returned: _T | None = self.switch()
        return returned

    def wait(self, gen: PQGen[_V], descriptor: int, ends_at: float) -> _V:
        """Do what psycopg's own wait does, giving way to the caller. Raises OperationalError at `ends_at`."""
        self.descriptor, self.ends_at = descriptor, ends_at
        assert self.parent
        try:
            wanted = next(gen)
            while True:
                self.events = _EVENTS[wanted]
                self.parent.switch(None)
                if time.monotonic() >= ends_at:
                    raise psycopg.OperationalError("wait timed out")
                # Whichever of the two it is: reading and writing what is not ready does nothing.
                wanted = gen.send(Ready(int(wanted)))
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]
