"""A call that yields to its caller while it waits for PostgreSQL, in the same thread."""

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
    """A running call: it waits for `events`, as for `poll`, on `descriptor`, until `ends_at` at the latest.

    It is no thread: shared state changes only while the call waits for a statement, and needs no lock. Waits for
    anything else block the caller.
    """

    descriptor: int
    events: int
    ends_at: float  # by time.monotonic()

    def __init__(self, call: Callable[[], _T]) -> None:
        """Prepare `call`; the first `go_on` starts it."""
        super().__init__(call)

    @property
    def is_over(self) -> bool:
        """Whether the call has returned or raised."""
        return self.dead

    def go_on(self) -> _T | None:
        """Resume the call, after its events or `ends_at`; return its result if it is over. Raises what it raises."""
        returned: _T | None = self.switch()
        return returned

    def wait(self, gen: PQGen[_V], descriptor: int, ends_at: float) -> _V:
        """Do what psycopg's own wait does, but yield to the caller. Raises OperationalError at `ends_at`."""
        self.descriptor, self.ends_at = descriptor, ends_at
        assert self.parent
        try:
            wanted = next(gen)
            while True:
                self.events = _EVENTS[wanted]
                self.parent.switch(None)
                if time.monotonic() >= ends_at:
                    raise psycopg.OperationalError("wait timed out")
                # It need not be known which of the two is ready: reading or writing what is not does nothing.
                wanted = gen.send(Ready(int(wanted)))
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]
