"""The calls of the client for a queue as a whole."""

from collections.abc import Mapping
from typing import Any

from rowline.queueinfo import UNCHANGED, Kept, QueueInfo, Removed, Unchanged, WorkerInfo, settings_json
from rowline.transport import Call, Transport, quoted

LONGEST_REMOVAL_S = 10.0  # how long the service removes jobs in one request, with the step that has begun


class WholeQueue:
    """What concerns a queue, and none of its jobs."""

    def __init__(self, transport: Transport, name: str) -> None:
        """Use the queue `name`; it need not exist."""
        self.name = name
        self._transport = transport
        self._path = f"/queues/{quoted(name)}"

    def info(self) -> QueueInfo:
        """Return the queue as it stands; one that has nothing has zeros."""
        return self._about("GET", "")

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Return the workers that were seen within a minute, all ways of working, by name; 1,000 at most."""
        return self._transport.send(Call(method="GET", path=f"{self._path}/workers")).read(WorkerInfo.all_of)

    def pause(self, reason: str | None = None) -> QueueInfo:
        """Pause the queue: from now on no claim hands out a job of it. Jobs that were claimed before go on.

        A pause that there is stays as it is. Raises Conflict while programs of an older release are connected.
        """
        return self._about("POST", "/pause", body={} if reason is None else {"reason": reason})

    def resume(self) -> QueueInfo:
        """Resume the queue. One that is not paused stays as it is."""
        return self._about("POST", "/resume")

    def change_settings(
        self,
        *,
        remove_on_complete: Kept | Unchanged = UNCHANGED,
        remove_on_fail: Kept | Unchanged = UNCHANGED,
        start_within_ms: int | Unchanged | None = UNCHANGED,
        defaults: Mapping[str, Any] | Unchanged | None = UNCHANGED,
    ) -> QueueInfo:
        """Change the settings that are given; None takes one away, so that the service's own holds, if any.

        `start_within_ms`: a job fails that has not begun so long after it became ready first. `defaults`: the options
        of jobs that are added without them, all of them, such as {"attempts": 5}. Raises Conflict for both while
        programs of an older release are connected.
        """
        settings = settings_json(remove_on_complete, remove_on_fail, defaults)
        settings |= {} if isinstance(start_within_ms, Unchanged) else {"startWithin": start_within_ms}
        return self._about("PATCH", "", body={"settings": settings})

    def forget(self) -> QueueInfo:
        """Forget a queue without jobs: its settings, and a pause. Raises Conflict if it has jobs."""
        return self._about("DELETE", "")

    def drain(self, *, delayed: bool = False) -> int:
        """Remove the waiting and prioritized jobs, with `delayed` the delayed ones too; return how many.

        Jobs that are added meanwhile stay. Not retried if a response may be lost (Unavailable, `is_outcome_unknown`).
        """
        return self._remove("drain", {"delayed": delayed})

    def clean(self, status: str, *, grace_ms: int, limit: int = 0) -> int:
        """Remove the jobs in one status that ended, or were added, at least `grace_ms` ago; return how many.

        `status`: completed, failed, waiting, prioritized or delayed; `limit`: so many at most, the first added; 0: all.
        Not retried if a response may be lost.
        """
        return self._remove("clean", {"status": status, "grace": grace_ms, "limit": limit})

    def obliterate(self, *, force: bool = False) -> int:
        """Pause the queue, remove all its jobs, then its settings and the pause; return how many. There is no undo.

        Raises Conflict while jobs are active: then the queue stays paused. With `force` these are removed too, and
        their workers hear that the lease is lost. Not retried if a response may be lost.
        """
        return self._remove("obliterate", {"force": force})

    def _remove(self, verb: str, body: Mapping[str, Any]) -> int:
        """Send as many requests as it takes; return how many jobs they removed."""
        removed, part = 0, Removed(removed=0, next="")
        while part.next is not None:
            asked = {**body, "cursor": part.next} if part.next else body
            call = Call(
                method="POST", path=f"{self._path}/{verb}", body=asked, is_repeatable=False, wait_s=LONGEST_REMOVAL_S
            )
            part = self._transport.send(call).read(Removed.of)
            removed += part.removed
        return removed

    def _about(self, method: str, path: str, **more: Any) -> QueueInfo:
        return self._transport.send(Call(method=method, path=self._path + path, **more)).read(QueueInfo.of)
