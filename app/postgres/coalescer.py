"""Combines concurrent requests of several callers into one statement with one commit."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.postgres.database import REFUSALS, DatabaseError, OutcomeUnknown

MAX_WAIT_S = 0.02
"""How long callers wait for a running batch, in seconds, before they start one of their own: a slow batch must not
make them wait twice."""
Asked = TypeVar("Asked")
Given = TypeVar("Given")


class RequestCoalescer(Generic[Asked, Given]):
    """Batches callers by topic. The first caller of a batch is delayed only by callers that can run already."""

    def __init__(
        self,
        do: Callable[[str, Sequence[Asked]], Sequence[Given]],
        *,
        most: int,
        broken_off: type[DatabaseError] = OutcomeUnknown,
    ) -> None:
        """Call `do` with a topic and up to `most` callers' requests: it does all or none, and returns their results.

        If it raises a DatabaseError, all callers get that. If PostgreSQL rejects the statement because of its values,
        nothing was stored, and each request is repeated by itself, so that no caller fails because of another one.
        After any other exception the other callers get `broken_off`.
        """
        self._do, self._most, self._broken_off = do, most, broken_off
        self._lock = threading.Lock()
        self._running: dict[str, _Batch[Asked, Given]] = {}
        self._open: dict[str, _Batch[Asked, Given]] = {}

    def ask(self, topic: str, asked: Asked) -> Given:
        """Return the result of `asked`, in a batch with concurrent requests. Raises what `do` raises."""
        with self._lock:
            mine = self._open.get(topic)
            if mine is None or len(mine.asked) == self._most:
                mine = self._open[topic] = _Batch(self._broken_off)
            nth = len(mine.asked)
            mine.asked.append(asked)
        if nth:
            mine.done.wait()
        else:
            self._lead(topic, mine)
        if mine.error is None:
            return mine.given[nth]
        if isinstance(mine.error, REFUSALS) and len(mine.asked) > 1:
            return self._do(topic, [asked])[0]
        raise mine.error

    def _lead(self, topic: str, mine: "_Batch[Asked, Given]") -> None:
        """Run the batch and notify its callers, even if this caller is killed: the commit may have happened already."""
        try:
            self._gather(topic, mine)
            mine.given = self._do(topic, mine.asked)
            mine.error = None
        except (DatabaseError, *REFUSALS) as error:
            mine.error = error
        finally:
            self._close(topic, mine)
            mine.done.set()

    def _gather(self, topic: str, mine: "_Batch[Asked, Given]") -> None:
        before = self._running.get(topic)
        if before is not None:
            before.done.wait(MAX_WAIT_S)
        time.sleep(0)
        with self._lock:
            self._running[topic] = mine
            if self._open.get(topic) is mine:
                del self._open[topic]

    def _close(self, topic: str, mine: "_Batch[Asked, Given]") -> None:
        with self._lock:
            for batches in (self._running, self._open):
                if batches.get(topic) is mine:
                    del batches[topic]


class _Batch(Generic[Asked, Given]):
    """The requests of a batch, and its results or its error."""

    def __init__(self, broken_off: type[DatabaseError]) -> None:
        self.asked: list[Asked] = []
        self.given: Sequence[Given] = ()
        self.error: Exception | None = broken_off("the request that ran the batch was aborted")
        self.done = threading.Event()
