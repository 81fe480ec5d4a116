"""A queue that is none: a seeded story of producers, workers, crashes and lost answers, as a good queue has it."""

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.checker.record import Event

Row = dict[str, Any]
LEASE_MS = 2_000
STARTED_AT = 1_000_000


class Story:
    """The history of a run, and the rows that are left. All of it may be spoilt, to see that the checker notices."""

    def __init__(self, seed: int, *, batches: int = 30) -> None:
        self.random = Random(seed)
        self.history: list[Event] = []
        self.jobs: list[Row] = []
        self.attempts: list[Row] = []
        self._ms = STARTED_AT
        self._ids, self._tokens = itertools.count(1), itertools.count(1)
        self.note("clock", at=self._ms)
        for number in range(batches):
            self._add(f"batch-{number}")
        for job in list(self.jobs):
            self._work(job)

    def note(self, kind: str, **members: object) -> Event:
        """Write an event as of now."""
        event = {"t": self.now_s, "ms": self._ms, "kind": kind} | members
        self.history.append(event)
        return event

    @property
    def now_s(self) -> float:
        """The time by the clock of the clients."""
        return self.seconds(self._ms)

    @staticmethod
    def seconds(ms: int) -> float:
        """Say by the clock of the clients what is `ms` by that of the database."""
        return (ms - STARTED_AT) / 1000

    def pass_ms(self, least: int, most: int) -> int:
        """Let time pass; return the time."""
        self._ms += self.random.randint(least, most)
        return self._ms

    def _add(self, batch: str) -> None:
        size, delay_ms = self.random.randint(1, 8), self.random.choice((0, 0, 500))
        self.note("ask", batch=batch, queue="q", size=size, delay_ms=delay_ms, keeps=self.keeps())
        fate = self.random.choice(("acknowledged",) * 6 + ("recovered", "unknown", "refused"))
        added_at = self.pass_ms(1, 10)
        ids = []
        for index in range(size) if fate in {"acknowledged", "recovered"} else []:
            ids.append(str(next(self._ids)))
            self.jobs.append(
                {
                    "id": ids[-1],
                    "queue": "q",
                    "batch": batch,
                    "index": index,
                    "status": "waiting",
                    "result": None,
                    "failed_code": None,
                    "rev": 0,
                    "priority": 0,
                    "attempts_made": 0,
                    "attempts_started": 0,
                    "stalled_count": 0,
                    "delay_ms": delay_ms,
                    "added_at": added_at,
                    "processed_at": None,
                    "finished_at": None,
                }
            )
        if fate == "acknowledged":
            self.note("acknowledged", batch=batch, ids=ids)
        elif fate == "refused":
            self.note("refused", batch=batch, status=400)
        else:
            self.note("doubt", batch=batch)

    def keeps(self) -> Row:
        """Draw the retention of an array: none here."""
        return {}

    def _work(self, job: Row) -> None:
        self._ms = max(self._ms, job["added_at"] + job["delay_ms"])
        self._run(job)

    def _run(self, job: Row) -> None:
        for outcome in self._outcomes():
            self._attempt(job, outcome)

    def _outcomes(self) -> Iterator[str]:
        while (outcome := self.random.choice(("completed",) * 8 + ("failed", "released", "stalled"))) != "completed":
            yield outcome
        yield outcome

    def _attempt(self, job: Row, outcome: str) -> None:
        began, token, worker = self.pass_ms(1, 50), f"token-{next(self._tokens)}", f"w{self.random.randint(1, 3)}"
        job["attempts_started"] += 1
        job["processed_at"] = began
        self.note(
            "claimed",
            id=job["id"],
            queue="q",
            nth=job["attempts_started"],
            token=token,
            worker=worker,
            at=began,
            until=began + LEASE_MS,
            **_of(job),
        )
        if outcome != "stalled" or self.random.random() < 0.5:
            self.note("began", id=job["id"], token=token, worker=worker, **_of(job))
            self.note("ended", id=job["id"], token=token, worker=worker)
        if outcome == "stalled":
            self.note("fault", name="kill", target=worker, until=self.now_s)
            self.pass_ms(LEASE_MS, LEASE_MS + 500)
            job["stalled_count"] += 1
            self._told(job, token, "complete", "lost")
        over = self.pass_ms(1, 20)
        if outcome == "completed":
            job |= {"status": "completed", "finished_at": over, "result": token}
            self._told(job, token, "complete", "ok" if self.random.random() < 0.95 else "unknown")
            return
        row = {"id": job["id"], "nth": job["attempts_started"], "worker": worker, "outcome": outcome}
        self.attempts.append(row | {"started_at": began, "ended_at": over})
        if outcome != "stalled":
            self._told(job, token, "fail" if outcome == "failed" else "release", "ok")

    def _told(self, job: Row, token: str, verb: str, outcome: str) -> None:
        asked = self.now_s
        self.note("told", id=job["id"], token=token, verb=verb, outcome=outcome, asked=asked, result=token)


def _of(job: Row) -> Row:
    return {"rev": job["rev"], "priority": job["priority"]}
