"""Programs that make schedules in a queue of their own, change, pause and run them, and know which ticks there are."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

from tests.chaos.own_queue import OwnQueue
from tests.chaos.stand import Ground
from tests.support.schedules import MADE

TICKED = "ticked"
SETTLED_S = 15.0
"""So long after an answer was lost, a request of which nothing is known cannot be done any more."""
EVERY_MS = (300, 500, 700, 1_100)
HELD = f"""
    select schedule.id, schedule.ticks, made.number, made.rhythms, schedule.skipped,
        (made.last_at - made.first_at) / schedule.every_ms + 1, made.last_at = schedule.last_tick_at,
        schedule.next_at - made.last_at = schedule.every_ms
    from rowline.schedules as schedule
    {MADE}
    where schedule.queue = 'ticked'
"""
"""Each schedule: the ticks that it counts, those with jobs, and how many there are from the first to the last."""
RUNS = "select count(*) from rowline.jobs where queue = 'ticked' and custom_id like '%:now'"


class Schedules(OwnQueue):
    """Makes schedules that miss no tick, and does to them whatever keeps all ticks; pauses one of them now and then."""

    def __init__(self, ports: Sequence[int], *, name: str, seed: str) -> None:
        super().__init__(ports, name=name, seed=seed)
        self.runs = 0  # that were acknowledged
        self.removed: dict[str, int] = {}  # schedules, and how many jobs they had when they had been removed
        self._steady = {f"{name}-steady-{every_ms}": every_ms for every_ms in EVERY_MS}
        self._paused = {f"{name}-paused": 400}

    def run(self) -> None:
        for schedule_id, every_ms in (self._steady | self._paused).items():
            self._put(schedule_id, every_ms)
        for number in itertools.count():
            if self.stopped.wait(self.random.uniform(0, 0.3)):
                return
            self.random.choice((self._change, self._run_one, self._pause, self._resume, self._remove))(number)

    @property
    def _is_sure(self) -> bool:
        """Whether no earlier request can be done yet whose answer was lost."""
        return time.monotonic() - self.lost_at > SETTLED_S

    def _put(self, schedule_id: str, every_ms: int, **members: Any) -> None:
        body = {"every": every_ms, "misfire": "all", "overlap": "allow", "template": {"opts": {"attempts": 50}}}
        self._expect("PUT", schedule_id, body | members, {200, 201})

    def _expect(self, method: str, path: str, body: Any, statuses: set[int]) -> Any:
        status, said = self.ask(
            method, f"/queues/{TICKED}/schedulers{path if path.startswith('?') else f'/{path}'}", body
        )
        if status not in statuses:
            self.wrong(f"{method} {path} was answered with {status}: {said}")
        return said

    def _change(self, number: int) -> None:
        """Change the job of a schedule, and not its timing."""
        schedule_id, every_ms = self.random.choice([*self._steady.items()])
        self._put(schedule_id, every_ms, template={"name": f"n{number % 3}", "opts": {"attempts": 50}})

    def _run_one(self, _number: int) -> None:
        self._expect("POST", f"{self.random.choice([*self._steady])}/run", None, {200})
        self.runs += 1

    def _pause(self, _number: int) -> None:
        [schedule_id] = self._paused
        paused = self._expect("POST", f"{schedule_id}/pause", None, {200})
        found = self._expect("GET", schedule_id, None, {200})
        is_still = (paused.get("iterationCount"), found.get("paused")) == (found.get("iterationCount"), True)
        if self._is_sure and not is_still:
            self.wrong(f"a schedule ticked after it was paused: {paused}, {found}")

    def _resume(self, _number: int) -> None:
        [schedule_id] = self._paused
        self._expect("POST", f"{schedule_id}/resume", None, {200})

    def _remove(self, number: int) -> None:
        """Make a schedule and remove it: after that it makes no tick."""
        schedule_id = f"{self.name}-gone-{number}"
        self._put(schedule_id, 50)
        was = self._expect("DELETE", schedule_id, None, {200, 404})  # an earlier try may have removed it
        if "iterationCount" in was and self._is_sure:
            self.removed[schedule_id] = was["iterationCount"]

    def pause_all(self) -> None:
        """Have no more ticks, once all is over."""
        if not self._is_sure:
            time.sleep(SETTLED_S)
        for one in self._expect("GET", "?length=100", None, {200})["schedulers"]:
            if one["id"].startswith(f"{self.name}-gone"):
                self.removed.pop(one["id"], None)
                self._expect("DELETE", one["id"], None, {200, 404})
        for schedule_id, every_ms in (self._steady | self._paused).items():
            self._put(schedule_id, every_ms, paused=True)


def judge(ground: Ground, threads: Sequence[Schedules]) -> list[str]:
    """Return what is not true of the ticks, once all schedules are paused."""
    with ground.connect() as connection:
        held = connection.execute(HELD).fetchall()
        [(besides,)] = connection.execute(RUNS).fetchall()
        gone = {
            schedule_id: connection.execute(
                "select count(*) from rowline.jobs where queue = 'ticked' and custom_id like %s",
                [f"repeat:{schedule_id}:%"],
            ).fetchall()[0][0]
            for thread in threads
            for schedule_id in thread.removed
        }
    broken = []
    for schedule_id, counted, there, rhythms, skipped, whole, is_last, has_next in held:
        if (counted, rhythms, skipped, is_last) != (there, 1, 0, True):
            broken.append(f"schedule {schedule_id} counts {counted} ticks of {there}: {rhythms, skipped, is_last}")
        if "steady" in schedule_id and (there, has_next) != (whole, True):
            broken.append(f"schedule {schedule_id} made {there} ticks of {whole}, with its next one: {has_next}")
    for thread in threads:
        for schedule_id, counted in thread.removed.items():
            if gone[schedule_id] != counted:
                broken.append(f"schedule {schedule_id} was removed with {counted} ticks, and has {gone[schedule_id]}")
    if besides < (told := sum(thread.runs for thread in threads)):
        broken.append(f"{told} runs besides were acknowledged, and {besides} are there")
    return broken


def made(ground: Ground) -> int:
    """Return how many ticks got a job."""
    with ground.connect() as connection:
        [(number,)] = connection.execute(
            "select count(*) from rowline.jobs where queue = 'ticked' and custom_id not like '%:now'"
        ).fetchall()
    return int(number)
