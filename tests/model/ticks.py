"""A schedule in the model: which of its ticks get a job."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.postgres.database import Database
from tests.model.model import OVER, Model
from tests.support import answers
from tests.support.client import Client
from tests.support.schedules import PATH, fall_due, put, tick

VERBS = st.sampled_from(["put", "put", "tick", "tick", "tick", "tick", "run", "pause", "resume", "remove"])
OVERLAPS = st.sampled_from(["pending", "skip", "allow", "cancel"])


@dataclass
class ModelSchedule:
    """The schedule, while it is there."""

    overlap: str
    last: str  # the job of its last tick that got one
    is_paused: bool = False
    ticks: int = 1
    skipped: int = 0

    def tick(self, model: Model) -> bool:
        """Return whether a tick gets a job; cancel what it cancels."""
        last = model.jobs.get(self.last)
        lives = last is not None and last.status not in OVER
        if self.is_paused:
            return False
        if lives and last is not None:
            is_held = self.overlap == "skip" or (self.overlap == "pending" and last.attempts_started == 0)
            if is_held:
                self.skipped += 1
                return False
            if self.overlap == "cancel":
                model.cancel(self.last)
        self.ticks += 1
        return True


class ScheduleRules(RuleBasedStateMachine):
    """The rule of a schedule, which the machine of a queue has besides its own."""

    client: Client
    db: Database
    model: Model
    ids: list[str]
    one: ModelSchedule | None

    @rule(verb=VERBS, overlap=OVERLAPS)
    def schedule(self, verb: str, overlap: str) -> None:
        """Do something to the schedule, and compare what is known of it then."""
        getattr(self, f"_{verb}")(overlap)
        found = self.client.get(PATH)
        assert found.status_code == (404 if self.one is None else 200)
        if self.one is not None:
            one, shown = self.one, dict(found.json or {})
            assert (shown["iterationCount"], shown["skippedCount"]) == (one.ticks, one.skipped)
            assert (shown["lastJobId"], shown["overlap"], shown["paused"]) == (one.last, one.overlap, one.is_paused)

    def _put(self, overlap: str) -> None:
        shown = put(self.client, overlap=overlap, template={"name": "n", "data": {"customer": 1}})
        if self.one is None:
            self._has_job(shown["lastJobId"])
            self.one = ModelSchedule(overlap, shown["lastJobId"])
        self.one.overlap = overlap

    def _tick(self, _overlap: str) -> None:
        if self.one is None:
            return
        at = fall_due(self.db)
        tick(self.db)
        if self.one.tick(self.model):
            self.one.last = f"repeat:s:{at}"
            self._has_job(self.one.last)

    def _run(self, _overlap: str) -> None:
        added = self._asked("POST", f"{PATH}/run")
        if self.one is not None:
            self._has_job(added["id"])

    def _pause(self, _overlap: str) -> None:
        self._asked("POST", f"{PATH}/pause")
        if self.one is not None:
            self.one.is_paused = True

    def _resume(self, _overlap: str) -> None:
        self._asked("POST", f"{PATH}/resume")
        if self.one is not None:
            self.one.is_paused = False

    def _remove(self, _overlap: str) -> None:
        self._asked("DELETE", PATH)
        self.one = None

    def _asked(self, method: str, path: str) -> dict[str, Any]:
        answer = self.client.flask.open(path, method=method, headers=self.client.authorization)
        return dict(answers.ok(answer)) if self.one else dict(answers.problem(answer, 404))

    def _has_job(self, job_id: str) -> None:
        self.model.add(job_id, {}, name="n")
        self.ids.append(job_id)
