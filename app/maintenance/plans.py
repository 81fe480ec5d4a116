"""Runs plans: makes the steps of all plans that go on by themselves, each at its pace."""

import logging
import time
from dataclasses import dataclass

from app.domain.plan import PlanStatus, RunningPlan
from app.operations import plans
from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)

REST = 4
"""A step in a queue that is being worked is followed by a rest of so many times its duration."""
BEAT_S = 0.1
"""How often a plan with a rate makes a step, if the rate allows it."""
FEW = 10
"""Jobs that a step changes after one that failed: each may have much that goes with it."""
FAILED_S = 1.0
"""The pause after a step that failed."""
TRIES = 20
"""Steps that fail one after the other before the plan ends as failed."""
LEAST_PAUSE_S = 0.01


@dataclass(slots=True)
class _Pace:
    next_at: float = 0.0  # on the monotonic clock
    stepped_at: float = 0.0
    failures: int = 0  # since the last step that was done


class PlanRunner:
    """The plans of all queues, as the process runs them that makes the rounds for all."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._paces: dict[str, _Pace] = {}

    def pause_s(self) -> float | None:
        """Return in how many seconds the next step is due; None if no plan is running."""
        if not self._paces:
            return None
        return max(LEAST_PAUSE_S, min(pace.next_at for pace in self._paces.values()) - time.monotonic())

    def rest(self) -> None:
        """Leave the plans to another process."""
        self._paces = {}

    def tick(self) -> None:
        """Make a step of a plan of each queue: of those for which one is due, that which has waited longest."""
        found, now = plans.running(self._db), time.monotonic()
        self._paces = {one.id: self._paces.get(one.id) or _Pace() for one in found}
        due: dict[str, RunningPlan] = {}
        for one in found:
            pace = self._paces[one.id]
            if one.wait_s:  # by its rate, whichever process made the last step
                pace.next_at = now + one.wait_s
            other = due.get(one.queue)
            if pace.next_at <= now and (other is None or pace.stepped_at < self._paces[other.id].stepped_at):
                due[one.queue] = one
        for one in due.values():
            self._step(one, self._paces[one.id])

    def _step(self, one: RunningPlan, pace: _Pace) -> None:
        began_at = pace.stepped_at = time.monotonic()
        is_applying = one.status is PlanStatus.APPLYING
        rate_per_s = one.rate_per_s if is_applying else None
        most = _size(rate_per_s)
        try:
            plan = plans.step(self._db, queue=one.queue, plan_id=one.id, most=min(most, FEW) if pace.failures else most)
            took_s = time.monotonic() - began_at
            rests = REST * plans.is_busy(self._db, queue=one.queue) if is_applying else 1
        except Exception as error:  # noqa: BLE001 - one plan must not keep those of others from their steps
            self._failed(one, pace, error)
            return
        pace.failures = 0
        if plan is None:  # another process makes a step
            pace.next_at = began_at + BEAT_S
        elif rate_per_s is None:
            pace.next_at = began_at + took_s * (1 + rests)
        else:
            pace.next_at = began_at + most / rate_per_s

    def _failed(self, one: RunningPlan, pace: _Pace, error: Exception) -> None:
        pace.failures += 1
        pace.next_at = time.monotonic() + FAILED_S
        about = {"queue": one.queue, "plan": one.id, "cause": str(error)}
        _log.warning("plan_step_failed", extra=about, exc_info=not isinstance(error, DatabaseError))
        if pace.failures >= TRIES:
            plans.fail(self._db, queue=one.queue, plan_id=one.id, reason="its steps failed, see the log of the service")


def _size(rate_per_s: float | None) -> int:
    """Return how many jobs a step may change."""
    return plans.AT_ONCE if rate_per_s is None else max(1, min(plans.AT_ONCE, round(rate_per_s * BEAT_S)))
