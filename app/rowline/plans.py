"""Plans: many jobs of a queue at once, written down first and then removed, retried, promoted, cancelled or changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from rowline.transport import Call, Transport, quoted
from rowline.values import JobInfo

FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 1.0  # the pauses between two looks at a plan that goes on
GOES_ON = frozenset({"planning", "queued", "applying", "undoing"})
"""The statuses of plans that go on by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInfo:
    """A plan as it stood when it was looked at. Times are ms since the epoch."""

    id: str
    queue: str
    action: str  # remove, retry, promote, cancel or change
    filter: dict[str, Any]
    status: str  # planning, planned, queued, applying, applied, stopped, undoing, undone, expired or failed
    matched: int  # jobs that it means; so far, while it is planning
    sample: tuple[JobInfo, ...]  # planned: its first jobs; undone: jobs that it left, or that have their ids
    done: int
    skipped: dict[str, int]  # jobs that had moved on, by the code of the reason
    undone: int  # jobs that came back as they were
    not_undone: int  # jobs whose ids were taken by then; of a retry: that had begun, or were changed, by then
    rate_per_s: float | None
    created_on: int
    created_by: str  # as in the audit
    undo_until: int | None  # until when the jobs that it removed or retried can come back
    reason: str | None  # why it failed

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the plan of a response. Unknown members are ignored."""
        return cls(
            id=members["id"],
            queue=members["queue"],
            action=members["action"],
            filter=members["filter"],
            status=members["status"],
            matched=members["matched"],
            sample=tuple(map(JobInfo.of, members.get("sample", ()))),
            done=members["done"],
            skipped=members["skipped"],
            undone=members.get("undone", 0),
            not_undone=members.get("notUndone", 0),
            rate_per_s=members.get("ratePerS"),
            created_on=members["createdOn"],
            created_by=members["createdBy"],
            undo_until=members.get("undoUntil"),
            reason=members.get("reason"),
        )

    @classmethod
    def all_of(cls, members: Mapping[str, Any]) -> tuple[Self, ...]:
        """Return the plans of a response."""
        return tuple(map(cls.of, members["plans"]))


class Plan:
    """A plan of a queue, returned by `Queue.plan`. `info` is what was heard of it last."""

    def __init__(self, transport: Transport, path: str, info: PlanInfo) -> None:
        """Take the plan below `path`, that of its queue's plans."""
        self._transport, self._path = transport, f"{path}/{quoted(info.id)}"
        self.info = info

    def __repr__(self) -> str:
        heard = self.info
        shown = f"{heard.id!r}, {heard.action}, {heard.status}, {heard.done}/{heard.matched} done"
        return f"<Plan {shown}>"

    @property
    def id(self) -> str:
        """Its id."""
        return self.info.id

    @property
    def status(self) -> str:
        """Its status, as heard last."""
        return self.info.status

    @property
    def matched(self) -> int:
        """How many jobs it means, as heard last."""
        return self.info.matched

    @property
    def done(self) -> int:
        """To how many jobs it was done, as heard last."""
        return self.info.done

    def look(self) -> Self:
        """Look at it again."""
        return self._heard("GET", "")

    def apply(self, *, rate_per_s: float | None = None) -> Self:
        """Have it applied, in the background, to `rate_per_s` jobs a second at most. Raises Conflict.

        Conflict is also raised if it does not mean `matched` jobs, the number that was heard last.
        """
        rate = {} if rate_per_s is None else {"ratePerS": rate_per_s}
        return self._heard("POST", "/apply", body={"matched": self.matched} | rate)

    def stop(self) -> Self:
        """Stop it: from now on it changes no job. Raises Conflict if it has ended."""
        return self._heard("POST", "/stop")

    def undo(self) -> Self:
        """Undo a removal or a retry, in the background: put the jobs back as they were. Raises Conflict.

        Retried jobs that have begun since, or were changed otherwise, stay as they are: `info.not_undone`.
        """
        return self._heard("POST", "/undo")

    def wait(self, *, timeout_s: float) -> Self:
        """Wait while it goes on by itself, which a plan that was not applied does not. Raises TimeoutError."""
        ends_at, pause_s = time.monotonic() + timeout_s, FIRST_LOOK_S
        while self.info.status in GOES_ON:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"plan {self.id} is {self.status} after {timeout_s:g} s")
            time.sleep(pause_s)
            pause_s = min(LONGEST_LOOK_S, pause_s * 1.5)
            self.look()
        return self

    def _heard(self, method: str, path: str, **more: Any) -> Self:
        """Send a call. One that changes the plan is not retried if its response may be lost."""
        call = Call(method=method, path=self._path + path, is_repeatable=method == "GET", **more)
        self.info = self._transport.send(call).read(PlanInfo.of)
        return self
