"""A call that yields to its caller while it waits for PostgreSQL, in the same thread."""

import select
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import psycopg
from greenlet import GreenletExit, greenlet
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

_T = TypeVar("_T")
_V = TypeVar("_V")
_EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}


class DatabaseCoroutine(greenlet, Generic[_T]):
    """Runs calls, one at a time. Each waits for `events` on `descriptor`, as for `poll`, until `ends_at` at most.

    It is no thread: shared state changes only while a call waits for a statement, and needs no lock. Waits for
    anything else block the caller. It is kept for the next call, since a new one maps memory.
    """

    descriptor: int
    events: int
    ends_at: float  # by time.monotonic()

    def __init__(self) -> None:
        """Start without a call."""
        super().__init__()
        self.is_over = True
        """Whether there is no call, or it has returned or raised."""
        self._call: Callable[[], _T] | None = None
        self._returned: _T | None = None
        self._raised: BaseException | None = None

    def begin(self, call: Callable[[], _T]) -> None:
        """Have the next `go_on` start `call`. Only while no other call runs."""
        self._call, self.is_over = call, False

    def go_on(self) -> _T | None:
        """Resume the call, after its events or `ends_at`; return its result if it is over. Raises what it raises."""
        self.switch()
        if not self.is_over:
            return None
        returned, raised = self._returned, self._raised
        self._call = self._returned = self._raised = None
        if raised:
            raise raised
        return returned

    def run(self) -> None:
        """Run call after call. The greenlet's own method: the first `go_on` starts it."""
        while True:
            assert self._call
            assert self.parent
            try:
                self._returned = self._call()
            except GreenletExit:  # nobody will go on with it
                raise
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
                self._raised = error
            self.is_over = True
            self.parent.switch()

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
