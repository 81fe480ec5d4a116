"""A reader of the stream of all events, which is cut, resumed and left behind like any other: it must miss nothing."""

import http.client
import threading
import time
from collections.abc import Sequence
from random import Random

from tests.chaos.stand import Ground
from tests.support import raw
from tests.support.streams import EventStream

AGAIN_S = 0.1
LONGEST_S = 12.0
"""The reader leaves after so long at most, and resumes, at another node perhaps."""
CAUGHT_UP_S = 60.0
SHOWN = 5
AWAY = dict.fromkeys(("waiting", "active", "ended"), "gone")
STAYS = {stands: stands for stands in ("waiting", "active", "ended")}
MOVES = {
    "added": {"gone": "waiting"},
    "active": {"waiting": "active"},
    "completed": {"active": "ended"},
    "failed": {"waiting": "ended", "active": "ended"},
    "cancelled": {"waiting": "ended", "active": "ended"},
    "stalled": {"active": "waiting"},
    "retrying": {"active": "waiting"},
    "released": {"active": "waiting"},
    "retried": {"ended": "waiting"},
    "removed": AWAY,
    "replaced": AWAY,
}
"""What each event makes of a job that waits, is active, has ended or is not there; others leave it as it is."""
LAST = """
    select queue, coalesce(custom_id, number::text), status, attempts_started from rowline.jobs
"""
STAND = """
    select fold.next_event - 1, exists (select from rowline.job_deltas) or fold.has_gap from rowline.job_folds as fold
"""


class Listener(threading.Thread):
    """Reads events over HTTP until stopped, and goes on after the last one that came."""

    def __init__(self, ports: Sequence[int], *, seed: str) -> None:
        super().__init__(name="listener", daemon=True)
        self.stopped = threading.Event()
        self.read = self.repeated = self.cuts = 0
        self.wrong: list[str] = []
        self.cursor = 0
        self._random, self._ports = Random(seed), ports
        self._told: dict[
            tuple[str, str], list[tuple[str, int]]
        ] = {}  # of each job, what became of it, and which attempt

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self._listen()
            except (OSError, http.client.HTTPException, AssertionError):
                time.sleep(AGAIN_S)
            self.cuts += 1

    def _listen(self) -> None:
        last_id = str(self.cursor) if self.cursor else None
        stream = EventStream(self._random.choice(self._ports), "/events?after=start", token=raw.TOKEN, last_id=last_id)
        ends_at = time.monotonic() + self._random.uniform(0, LONGEST_S)
        try:
            assert stream.response.status == 200, stream.response.read()
            for told in stream:
                if told.event in {"gap", "reset"}:
                    self.wrong.append(f"the stream of events has a {told.event}: {told.data}")
                if told.event in {"hello", "lagged"}:
                    continue
                self._note(int(told.id or 0), told.event, told.data)
                if self.stopped.is_set() or time.monotonic() > ends_at:
                    return
        finally:
            self.cursor = max(self.cursor, int(stream.last_id or 0))  # an id may come without an event
            stream.close()

    def _note(self, event_id: int, event: str, data: dict[str, object]) -> None:
        if event_id <= self.cursor:
            self.repeated += 1
            return
        self.cursor, self.read = event_id, self.read + 1
        if "id" in data:
            job = (str(data["queue"]), str(data["id"]))
            attempt = data.get("attempt")
            self._told.setdefault(job, []).append((event, attempt if isinstance(attempt, int) else 0))

    def catch_up(self, ground: Ground) -> None:
        """Wait until all that has happened was published and read; end."""
        ends_at = time.monotonic() + CAUGHT_UP_S
        with ground.connect() as connection:
            while True:
                [(last, is_behind)] = connection.execute(STAND).fetchall()
                if (self.cursor >= last and not is_behind) or time.monotonic() > ends_at:
                    break
                time.sleep(AGAIN_S)
        if self.cursor < last or is_behind:
            self.wrong.append(f"events up to {self.cursor} came within {CAUGHT_UP_S:g} s, of {last}")
        self.stopped.set()

    def judge(self, ground: Ground) -> list[str]:
        """Return what is not true of the events: each job's are whole and in order, and lead to where it is."""
        with ground.connect() as connection:
            stored = {(queue, job_id): rest for queue, job_id, *rest in connection.execute(LAST)}
        broken = []
        for job in stored.keys() | self._told.keys():
            status, attempts = stored.get(job, ("gone", None))
            if fault := fault_of(self._told.get(job, []), status, attempts):
                broken.append(
                    f"{job} is {status} after {attempts} attempts, but its events {fault}: {self._told.get(job)}"
                )
        return self.wrong + broken[:SHOWN] + ([f"{len(broken)} jobs whose events are wrong"] if broken else [])


def fault_of(told: Sequence[tuple[str, int]], status: str, attempts: int | None) -> str | None:
    """Return what is wrong with the events of a job that has this status ("gone") and has begun so many attempts."""
    stands, begun = "gone", 0
    for event, attempt in told:
        after = MOVES.get(event, STAYS).get(stands)
        if after is None:
            return f"have it {event} while it is {stands}"
        begun = {"added": 0, "active": begun + 1}.get(event, begun)
        if event == "active" and attempt != begun:
            return f"begin attempt {attempt} after {begun - 1}"
        stands = after
    there = {"active": "active", "completed": "ended", "failed": "ended", "gone": "gone"}.get(status, "waiting")
    if (stands, begun) != (there, begun if attempts is None else attempts):
        return f"leave it {stands} after {begun} attempts"
    return None
