"""A seeded story with hands: they change, promote, cancel, remove and retry jobs, and pause their queue."""

import functools
from collections.abc import Callable
from typing import Any

from tests.checker.simulated import Row, Story

KEEPS: tuple[Row, ...] = ({}, {}, {}, {"removeOnComplete": True}, {"removeOnComplete": {"age": 3600}})
UNAVAILABLE = "database_unavailable"


class HandledStory(Story):
    """The history of a run with hands. What they ask for is taken, refused, or of unknown outcome."""

    def __init__(self, seed: int, *, batches: int = 80) -> None:
        super().__init__(seed, batches=batches)

    def keeps(self) -> Row:
        return self.random.choice(KEEPS)

    @functools.cached_property
    def _acknowledged(self) -> set[str]:
        return {event["batch"] for event in self.history if event["kind"] == "acknowledged"}

    @functools.cached_property
    def _not_kept(self) -> set[str]:
        asked = [event for event in self.history if event["kind"] == "ask"]
        return {event["batch"] for event in asked if event["keeps"].get("removeOnComplete") is True}

    def _work(self, job: Row) -> None:
        if job["batch"] not in self._acknowledged:
            super()._work(job)
            self._forget_unless_kept(job)
            return
        if self.random.random() < 0.2:
            self._pause()
        touch = self.random.choice((self._change, self._promote, self._cancel, self._remove, None, None))
        is_known = touch is None or touch(job)
        if job["status"] == "waiting":
            self._ms = max(self._ms, job["added_at"] + job["delay_ms"])
            self._run(job)
        self._forget_unless_kept(job)
        while job["status"] != "gone" and is_known and self.random.random() < 0.5:
            is_known = self.random.choice((self._retry, self._retry, self._remove))(job)
            self._forget_unless_kept(job)

    def _run(self, job: Row) -> None:
        super()._run(job)
        if self.random.random() < 0.3:
            self.note("told again", id=job["id"], token=job["result"], outcome="ok")

    def _forget_unless_kept(self, job: Row) -> None:
        if job["status"] == "completed" and job["batch"] in self._not_kept:
            self._forget(job)

    def _forget(self, job: Row) -> None:
        self.jobs[:] = [other for other in self.jobs if other is not job]
        self.attempts[:] = [attempt for attempt in self.attempts if attempt["id"] != job["id"]]
        job["status"] = "gone"

    def _by_hand(self, job_id: str, verb: str, effect: Callable[[], object], **about: Any) -> bool:
        """Ask for something; return whether the hand knows what became of that."""
        since = self.pass_ms(1, 5)
        asked = self.now_s
        outcome = self.random.choice(("ok",) * 5 + ("refused", "unknown"))
        if outcome == "ok" or (outcome == "unknown" and self.random.random() < 0.5):
            self.pass_ms(1, 5)
            effect()
        self.pass_ms(1, 5)
        code = {"code": UNAVAILABLE} if outcome == "refused" else {}
        self.note("hand", verb=verb, queue="q", id=job_id, outcome=outcome, asked=asked, since=since, **about | code)
        self.pass_ms(1, 5)
        return outcome != "unknown"

    def _pause(self) -> None:
        self._by_hand("", "pause", lambda: None)
        self.pass_ms(50, 500)
        while self.history[-1].get("verb") != "resume" or self.history[-1]["outcome"] != "ok":
            self._by_hand("", "resume", lambda: None)

    def _change(self, job: Row) -> bool:
        is_known, rev = True, 0
        while is_known and rev < 3 and self.random.random() < 0.8:
            rev += 1
            new = {"rev": rev, "priority": self.random.randint(0, 3)}
            is_known = self._by_hand(job["id"], "change", functools.partial(job.update, new), **new)
        return is_known

    def _promote(self, job: Row) -> bool:
        return self._by_hand(job["id"], "promote", lambda: job.update({"delay_ms": 0}))

    def _cancel(self, job: Row) -> bool:
        end = {"status": "failed", "failed_code": "cancelled"}
        return self._by_hand(
            job["id"], "cancel", lambda: job.update(end | {"finished_at": self.pass_ms(1, 2)}), status="failed"
        )

    def _remove(self, job: Row) -> bool:
        return self._by_hand(job["id"], "remove", lambda: self._forget(job))

    def _retry(self, job: Row) -> bool:
        anew = {"status": "waiting", "result": None, "finished_at": None, "failed_code": None}
        is_known = self._by_hand(job["id"], "retry", lambda: job.update(anew))
        if job["status"] == "waiting":
            self._run(job)
        return is_known
