"""The schedules that a handlers file declares: a worker makes them when it starts."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from rowline.errors import RowlineError, Unavailable
from rowline.given import encoded
from rowline.transport import Answer, Call, quoted

from app.domain.errors import OlderNodesRun
from app.postgres.database import DatabaseError

_log = logging.getLogger(__name__)
RETRY_S = 5.0
"""The pause after an error that may pass."""


class Sender(Protocol):
    """What sends calls to the API."""

    def send(self, call: Call) -> Answer:
        """Send a call. Raises RowlineError."""


class Refusal(NamedTuple):
    """A schedule that the service refused, and why."""

    schedule_id: str
    error: RowlineError


class DeclaredSchedules:
    """Makes the schedules in a thread, beside the work. If one is refused, it stops the worker, by SIGTERM."""

    def __init__(self, sending: Callable[[], AbstractContextManager[Sender]], *, queue: str) -> None:
        """Send calls by what `sending` opens, which may raise DatabaseError. Nothing is opened without schedules."""
        self._sending, self._queue = sending, queue
        self._has_begun = False
        self.refused: Refusal | None = None

    def begin(self, said: Mapping[str, Any]) -> None:
        """Begin with the schedules that the first handler process names; later ones have the same file."""
        if not self._has_begun and said["schedules"]:
            threading.Thread(target=self._make_all, args=(said["schedules"],), name="schedules", daemon=True).start()
        self._has_begun = True

    def _make_all(self, schedules: Mapping[str, Any]) -> None:
        left = dict(schedules)
        while left:
            try:
                with self._sending() as sender:
                    while left:
                        schedule_id = next(iter(left))
                        sender.send(self._call(schedule_id, left[schedule_id]))
                        del left[schedule_id]
            except (RowlineError, DatabaseError) as error:
                if isinstance(error, RowlineError) and not _may_pass(error):
                    self.refused = Refusal(next(iter(left)), error)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                _log.warning("schedules_not_made", extra={"queue": self._queue, "cause": str(error)})
                threading.Event().wait(RETRY_S)

    def _call(self, schedule_id: str, body: Mapping[str, Any]) -> Call:
        path = f"/queues/{quoted(self._queue)}/schedulers/{quoted(schedule_id)}"
        return Call(method="PUT", path=path, body=encoded(body).encode())


def _may_pass(error: RowlineError) -> bool:
    """Whether it may be different later: also while programs of an older release are replaced."""
    return isinstance(error, Unavailable) or error.code == OlderNodesRun.code
