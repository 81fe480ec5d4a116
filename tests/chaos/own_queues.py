"""Programs with a queue of their own, which no other touches, so that they know themselves what has to be true of it.

One adds jobs with deduplication ids, and works them; one makes plans for jobs, applies and undoes them; one makes
schedules (`ticks.py`). What was not true is in `violations`.
"""

import itertools
import time
from collections.abc import Sequence
from typing import Any

from tests.chaos import ticks
from tests.chaos.own_queue import AGAIN_S, PATIENCE_S, OwnQueue, Works
from tests.chaos.stand import Ground
from tests.chaos.ticks import TICKED, Schedules

HOUR_MS = 3_600_000
REPEATED, PLANNED = "repeated", "planned"
OWN = (REPEATED, PLANNED)
SIMPLE, LAST = ("s0", "s1", "s2"), ("k0", "k1", "k2")
"""Deduplication ids: of one kind, and of those that keep the last."""
LIVES = """
    select data ->> 'id', data ->> 'mark', (extract(epoch from added_at) * 1000000)::bigint,
        (extract(epoch from coalesce(finished_at, '9999-01-01')) * 1000000)::bigint
    from rowline.jobs where queue = 'repeated' order by data ->> 'id', number
"""


class Repeats(OwnQueue):
    """Adds jobs with a few deduplication ids, over and over."""

    def __init__(self, ports: Sequence[int], *, name: str, seed: str) -> None:
        super().__init__(ports, name=name, seed=seed)
        self.told: dict[str, int] = {}
        self.marks: dict[str, set[str]] = {"created": set(), "stored": set()}

    def run(self) -> None:
        for number in itertools.count():
            if self.stopped.wait(self.random.uniform(0, 0.1)):
                return
            self.add(f"{self.name}-{number}", [self.random.choice(SIMPLE + LAST) for _ in range(3)])

    def add(self, mark: str, asked: Sequence[str]) -> list[str]:
        """Add jobs with these ids; return what became of each."""
        body = [_job(one, f"{mark}.{nth}") for nth, one in enumerate(asked)]
        status, said = self.ask("POST", f"/queues/{REPEATED}/jobs", body, key=mark)
        if status != 200:
            self.wrong(f"adding was answered with {status}: {said}")
            return []
        for sent, job in zip(body, said, strict=True):
            self.told[job["outcome"]] = self.told.get(job["outcome"], 0) + 1
            self.marks.setdefault(job["outcome"], set()).add(sent["data"]["mark"])
        return [job["outcome"] for job in said]


def _job(dedup_id: str, mark: str) -> dict[str, Any]:
    mode = {"id": dedup_id} | ({"keepLastIfActive": True} if dedup_id in LAST else {})
    return {"name": "n", "data": {"id": dedup_id, "mark": mark}, "opts": {"attempts": 50, "deduplication": mode}}


class Plans(OwnQueue):
    """Adds some jobs, plans for them, applies, undoes; each time it knows how many there are."""

    rounds = 0

    def run(self) -> None:
        while not self.stopped.wait(self.random.uniform(0, 0.5)):
            self._round(f"{self.name}-{self.rounds}", self.random.randint(1, 40))
            self.rounds += 1

    def _round(self, tag: str, size: int) -> None:
        body = [{"name": "n", "data": nth, "opts": {"delay": HOUR_MS, "tags": [tag]}} for nth in range(size)]
        status, said = self.ask("POST", f"/queues/{PLANNED}/jobs", body, key=tag)
        if status != 200:
            self.wrong(f"adding was answered with {status}: {said}")
            return
        ids = {job["id"] for job in said}
        removal = self._applied("remove", tag, size)
        self._expect(tag, set(), "after a removal")
        if removal is not None:
            self._until(f"{removal}/undo", removal, "undone")
        self._expect(tag, ids, "after its undo")
        self._applied("cancel", tag, size)
        self._expect(tag, ids, "after a cancel", status="failed")
        retry = self._applied("retry", tag, size)
        self._expect(tag, ids, "after a retry", status="waiting")
        if retry is not None:
            self._until(f"{retry}/undo", retry, "undone")
        self._expect(tag, ids, "after the undo of a retry", status="failed")
        self._applied("remove", tag, size)
        self._expect(tag, set(), "after the last removal")

    def _applied(self, action: str, tag: str, size: int) -> str | None:
        """Make a plan and have it applied; return its id."""
        lost_at = self.lost_at
        status, plan = self.ask("POST", f"/queues/{PLANNED}/plans", {"action": action, "filter": {"tag": [tag]}})
        if status != 200:
            self.wrong(f"a plan was answered with {status}: {plan}")
            return None
        if self.lost_at > lost_at:
            self._stop_others(plan)
        plan = self._seen(plan["id"], {"planned"})
        if plan["matched"] != size:
            self.wrong(f"a plan to {action} means {plan['matched']} jobs of {size}")
        self._until(f"{plan['id']}/apply", plan["id"], "applied", {"matched": plan["matched"]})
        done = self._seen(plan["id"], {"applied"})
        if (done["done"], done["skipped"]) != (size, {}):
            self.wrong(f"a plan to {action} {size} jobs did {done['done']}, and skipped {done['skipped']}")
        return str(plan["id"])

    def _stop_others(self, plan: Any) -> None:
        """Stop the plans that were made by the same request, whose answers were lost: a queue has 20 at most."""
        _, page = self.ask("GET", f"/queues/{PLANNED}/plans?length=50")
        for other in page["plans"]:
            is_same = other["id"] != plan["id"] and other["filter"] == plan["filter"]
            if is_same and other["status"] in {"planning", "planned"}:
                self.ask("POST", f"/queues/{PLANNED}/plans/{other['id']}/stop", {})

    def _until(self, path: str, plan_id: str, status: str, body: Any = None) -> None:
        """Ask for something, which an earlier try may have done whose answer was lost; wait until it is done."""
        self.ask("POST", f"/queues/{PLANNED}/plans/{path}", {} if body is None else body)
        self._seen(plan_id, {status})

    def _seen(self, plan_id: str, statuses: set[str]) -> Any:
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            _, plan = self.ask("GET", f"/queues/{PLANNED}/plans/{plan_id}")
            if plan.get("status") in statuses or time.monotonic() > ends_at:
                if plan.get("status") not in statuses:
                    self.wrong(f"a plan is not {statuses} within {PATIENCE_S:g} s: {plan}")
                return plan
            time.sleep(AGAIN_S)

    def _expect(self, tag: str, ids: set[str], when: str, status: str = "all") -> None:
        _, page = self.ask("GET", f"/queues/{PLANNED}/jobs?tag={tag}&statuses={status}&length=100")
        if (found := {job["id"] for job in page["jobs"]}) != ids:
            self.wrong(f"{when} there are {len(found)} jobs with {tag}, not {len(ids)}")


class OwnQueues:
    """All of them, during a `with` block."""

    def __init__(self, ports: Sequence[int], *, seed: int) -> None:
        self._repeats = [Repeats(ports, name=f"repeats-{n}", seed=f"{seed}/repeats-{n}") for n in range(2)]
        worked = ((REPEATED, 0.05), (REPEATED, 0.05), (TICKED, 0.0), (TICKED, 0.0))
        self._works = [
            Works(ports, name=f"works-{n}", seed=f"{seed}/works-{n}", queue=queue, work_s=work_s)
            for n, (queue, work_s) in enumerate(worked)
        ]
        self._plans = [Plans(ports, name=f"plans-{n}", seed=f"{seed}/plans-{n}") for n in range(2)]
        self._schedules = [Schedules(ports, name="ticks", seed=f"{seed}/ticks")]
        self._ticks = 0
        self._last: dict[str, str] = {}

    def start(self) -> None:
        """Begin."""
        for thread in (*self._repeats, *self._works, *self._plans, *self._schedules):
            thread.start()

    @property
    def is_whole(self) -> bool:
        """Whether all of them are at work."""
        return all(thread.is_alive() for thread in (*self._repeats, *self._works, *self._plans, *self._schedules))

    def stop_adding(self) -> None:
        """Have them end but for the work, and say a last word for each id that keeps the last."""
        for thread in (*self._repeats, *self._plans, *self._schedules):
            thread.stopped.set()
        for thread in (*self._repeats, *self._plans, *self._schedules):
            thread.join()
        for schedules in self._schedules:
            schedules.pause_all()
        for dedup_id in LAST:
            [outcome] = self._repeats[0].add(f"last-{dedup_id}", [dedup_id])
            self._last[dedup_id] = outcome

    def stop(self) -> None:
        """End the work."""
        for thread in self._works:
            thread.stopped.set()
        for thread in self._works:
            thread.join()

    def open(self, ground: Ground) -> int:
        """Return how many jobs are stored that are to follow others."""
        with ground.connect() as connection:
            [(stored,)] = connection.execute(
                "select count(*) from rowline.deduplications where stored is not null"
            ).fetchall()
        return int(stored)

    def judge(self, ground: Ground) -> list[str]:
        """Return what is not true of the queues, once all has been worked."""
        with ground.connect() as connection:
            lives = connection.execute(LIVES).fetchall()
        broken = [
            one
            for thread in (*self._repeats, *self._works, *self._plans, *self._schedules)
            for one in thread.violations
        ]
        broken += ticks.judge(ground, self._schedules)
        self._ticks = ticks.made(ground)
        for one, following in itertools.pairwise(lives):
            if one[0] == following[0] and following[2] < one[3]:
                broken.append(f"two jobs with the deduplication id {one[0]} lived at once: {one}, {following}")
        marks = {mark for _, mark, *_ in lives}
        created = {mark for thread in self._repeats for mark in thread.marks["created"]}
        if lost := created - marks:
            broken.append(f"{len(lost)} jobs are lost that were told to be created: {sorted(lost)[:3]}")
        stored = {mark for thread in self._repeats for mark in thread.marks["stored"]}
        if alien := marks - created - stored:
            broken.append(f"{len(alien)} jobs were told to be none: {sorted(alien)[:3]}")
        newest = {dedup_id: mark for dedup_id, mark, *_ in lives}
        for dedup_id, outcome in self._last.items():
            if outcome in {"created", "stored"} and newest[dedup_id] != f"last-{dedup_id}.0":
                broken.append(f"the last word of {dedup_id} was {outcome}, and {newest[dedup_id]} ran after it")
        return broken

    def told(self) -> dict[str, int]:
        """Return how often each outcome was told, and how many rounds of plans, and ticks there were."""
        told: dict[str, int] = {}
        for thread in self._repeats:
            for outcome, number in thread.told.items():
                told[outcome] = told.get(outcome, 0) + number
        runs = sum(thread.runs for thread in self._schedules)
        return told | {
            "rounds of plans": sum(thread.rounds for thread in self._plans),
            "ticks": self._ticks,
            "runs besides": runs,
        }
