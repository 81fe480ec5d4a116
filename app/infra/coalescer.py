"""What several callers ask for at the same moment, done at once: one statement, one commit, one answer to wait for."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.infra.database import REFUSALS, DatabaseError, OutcomeUnknown

MAX_WAIT_S = 0.02
"""For which callers gather while others are served: were the database slow, they would not wait for it twice."""
Asked = TypeVar("Asked")
Given = TypeVar("Given")


class RequestCoalescer(Generic[Asked, Given]):
    """Gathers callers by topic. Who comes first waits for no time: only for those that could run already."""

    def __init__(
        self,
        do: Callable[[str, Sequence[Asked]], Sequence[Given]],
        *,
        most: int,
        broken_off: type[DatabaseError] = OutcomeUnknown,
    ) -> None:
        """Have `do` done, for a topic and up to `most` callers, all or none; it gives for each what he asked for.

        When it raises a DatabaseError, that is what all of them get. When PostgreSQL refuses the statement for what is
        in it, nothing of it was stored, and each asks again, alone: nobody fails for another's sake. `broken_off` is
        what the others get when anything else ends it.
        """
        self._do, self._most, self._broken_off = do, most, broken_off
        self._lock = threading.Lock()
        self._running: dict[str, _Batch[Asked, Given]] = {}
        self._open: dict[str, _Batch[Asked, Given]] = {}

    def ask(self, topic: str, asked: Asked) -> Given:
        """Have it done, together with what others ask for now. Raises what `do` raises."""
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
        """Do what has gathered, and let the others know, whatever ends this caller: it may come after the commit."""
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
    """What has gathered, and what came of it."""

    def __init__(self, broken_off: type[DatabaseError]) -> None:
        self.asked: list[Asked] = []
        self.given: Sequence[Given] = ()
        self.error: Exception | None = broken_off("who did it for others too was broken off")
        self.done = threading.Event()
