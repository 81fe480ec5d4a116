"""What several callers ask for at the same moment, done at once: one statement, one commit, one answer to wait for."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.infra.database import REFUSALS, DatabaseError, OutcomeUnknown

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Gathering(Generic[Asked, Given]):
    """Gathers callers by topic. Who comes first waits for no time: only for those that could run already."""

    def __init__(self, do: Callable[[str, Sequence[Asked]], Sequence[Given]], *, most: int) -> None:
        """Have `do` done, for a topic and up to `most` callers, all or none; it gives for each what he asked for.

        When it raises a DatabaseError, that is what all of them get. When PostgreSQL refuses the statement for what is
        in it, nothing of it was stored, and each asks again, alone: nobody fails for another's sake.
        """
        self._do, self._most = do, most
        self._lock = threading.Lock()
        self._open: dict[str, _Round[Asked, Given]] = {}

    def ask(self, topic: str, asked: Asked) -> Given:
        """Have it done, together with what others ask for now. Raises what `do` raises, OutcomeUnknown for others."""
        with self._lock:
            mine = self._open.get(topic)
            if mine is None or len(mine.asked) == self._most:
                mine = self._open[topic] = _Round()
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

    def _lead(self, topic: str, mine: "_Round[Asked, Given]") -> None:
        """Do what has gathered. The others are told in any case: what ends this caller may have come after the commit."""
        time.sleep(0)
        with self._lock:
            if self._open.get(topic) is mine:
                del self._open[topic]
        try:
            mine.given = self._do(topic, mine.asked)
            mine.error = None
        except (DatabaseError, *REFUSALS) as error:
            mine.error = error
        finally:
            mine.done.set()


class _Round(Generic[Asked, Given]):
    """What has gathered, and what came of it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.given: Sequence[Given] = ()
        self.error: Exception | None = OutcomeUnknown("who asked for it together with others was broken off")
        self.done = threading.Event()
