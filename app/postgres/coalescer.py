"""Combines concurrent requests of several callers into one statement with one commit."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.infra import callers
from app.postgres.database import STATEMENT_ERRORS, DatabaseError, OutcomeUnknown

MAX_WAIT_S = 0.02
"""How long callers wait for a running batch, in seconds, before they start one of their own: a slow batch must not
make them wait twice."""
Request = TypeVar("Request")
Result = TypeVar("Result")


class RequestCoalescer(Generic[Request, Result]):
    """Batches requests of one caller by topic. The first of a batch is delayed only by what can run already.

    Those of different callers are apart: the first waits for a connection in the line of its own caller.
    """

    def __init__(
        self,
        do: Callable[[str, Sequence[Request]], Sequence[Result]],
        *,
        max_batch: int,
        abort_error: type[DatabaseError] = OutcomeUnknown,
    ) -> None:
        """Call `do` with a topic and up to `max_batch` requests: it does all or none, and returns their results.

        If it raises a DatabaseError, all callers get that. If PostgreSQL rejects the statement because of its values,
        nothing was stored, and each request is repeated by itself, so that no caller fails because of another one.
        After any other exception the other callers get `abort_error`.
        """
        self._do, self._max_batch, self._abort_error = do, max_batch, abort_error
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], _Batch[Request, Result]] = {}
        self._open: dict[tuple[str, str], _Batch[Request, Result]] = {}

    def submit(self, topic: str, asked: Request) -> Result:
        """Return the result of `asked`, in a batch with concurrent requests. Raises what `do` raises."""
        key = topic, callers.current.get()
        with self._lock:
            mine = self._open.get(key)
            if mine is None or len(mine.asked) == self._max_batch:
                mine = self._open[key] = _Batch(self._abort_error)
            nth = len(mine.asked)
            mine.asked.append(asked)
            done = mine.awaited() if nth else None
        if done:
            done.wait()
        else:
            self._lead(key, mine)
        if mine.error is None:
            return mine.given[nth]
        if isinstance(mine.error, STATEMENT_ERRORS) and len(mine.asked) > 1:
            return self._do(topic, [asked])[0]
        raise mine.error

    def _lead(self, key: tuple[str, str], mine: "_Batch[Request, Result]") -> None:
        """Run the batch and notify its callers, even if this caller is killed: the commit may have happened already."""
        try:
            self._collect(key, mine)
            mine.given = self._do(key[0], mine.asked)
            mine.error = None
        except (DatabaseError, *STATEMENT_ERRORS) as error:
            mine.error = error
        finally:
            self._close(key, mine)

    def _collect(self, key: tuple[str, str], mine: "_Batch[Request, Result]") -> None:
        if key in self._running:
            with self._lock:
                before = self._running.get(key)
                done = before.awaited() if before else None
            if done:
                done.wait(MAX_WAIT_S)
        time.sleep(0)
        with self._lock:
            self._running[key] = mine
            if self._open.get(key) is mine:
                del self._open[key]

    def _close(self, key: tuple[str, str], mine: "_Batch[Request, Result]") -> None:
        with self._lock:
            for batches in (self._running, self._open):
                if batches.get(key) is mine:
                    del batches[key]
            if mine.done:
                mine.done.set()


class _Batch(Generic[Request, Result]):
    """The requests of a batch, and its results or its error."""

    def __init__(self, abort_error: type[DatabaseError]) -> None:
        self.asked: list[Request] = []
        self.given: Sequence[Result] = ()
        self.error: Exception | None = abort_error("the request that ran the batch was aborted")
        self.done: threading.Event | None = None  # until someone waits: most batches are of one caller

    def awaited(self) -> threading.Event:
        """Return what is set when the batch is over, for who holds the lock."""
        self.done = self.done or threading.Event()
        return self.done
