"""Hands: what people do to queues and jobs that are worked: pause, resume, change, promote, cancel, remove, retry."""

import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.reply import Reply
from tests.checker.record import Recorder, name_of, wall_ms
from tests.support import raw
from tests.support.raw import Answer
from tests.support.wire import Lost, Silent, Wire

ANSWER_S = 10.0
PAUSE_S = 0.06
"""Between two calls of a hand, on average."""
HELD = 60
TOUCHES = 5
"""After so many calls a hand leaves a job alone."""
PAUSED_S = (0.1, 1.0)
RESUMED_S = (0.2, 1.0)
ADDED_S = 60.0
NOT_SENT = Answer(0, {}, b'{"code": "not_sent"}')
"""In place of an answer, where no connection was made."""
READY = {"waiting", "prioritized"}
FRESH = ("change", "change", "promote", "promote", "cancel", "remove")
OLDER = ("retry", "retry", "retry", "remove", "change", "cancel")


@dataclass(slots=True)
class Handled:
    """A job that was acknowledged and that one hand may touch, no other."""

    queue: str
    job_id: str
    data: dict[str, Any]
    rev: int = 0
    touches: int = 0

    @property
    def name(self) -> str:
        return name_of(self.job_id, self.data["batch"])

    @property
    def path(self) -> str:
        return f"/queues/{self.queue}/jobs/{self.job_id}"


Pool = deque[Handled]
"""Jobs that hands may take, the newest last."""


def pool() -> Pool:
    """Make a pool; of many jobs it keeps the newest."""
    return deque(maxlen=500)


@dataclass(slots=True)
class Call:
    """A call, its outcome (ok, refused, unknown), and its answer if there was one."""

    outcome: str
    answer: dict[str, Any] = field(default_factory=dict)


class Caller(threading.Thread):
    """Makes calls by hand to any of the nodes, each on a connection of its own, and notes each with its outcome."""

    def __init__(self, ports: Sequence[int], record: Recorder, *, name: str, seed: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopped = threading.Event()
        self.replies: list[Reply] = []
        self.random = Random(seed)
        self._ports, self._record = ports, record

    def call(self, verb: str, queue: str, name: str, sent: bytes, **about: Any) -> Call:
        """Make a call about a queue or a job; `about` is noted with it."""
        asked, since = time.monotonic(), wall_ms()
        answer, fault = self._send(sent)
        ended_at = time.monotonic()
        status = answer.status if answer else -1 if fault else 0
        made, fault = _judged(answer, fault)
        code = {"code": made.answer.get("code")} if made.outcome == "refused" else {}
        if verb in {"cancel", "promote", "retry"}:
            about["status"] = made.answer.get("status")
        if verb == "pause":
            about["in_flight"] = made.answer.get("claimsInFlight", 0)
        self._record.note(
            "hand", verb=verb, queue=queue, id=name, outcome=made.outcome, asked=asked, since=since, **about, **code
        )
        if verb != "pause" or fault:  # a pause waits for claims, as long as they take
            self.replies.append(Reply(asked, ended_at, status, f"{verb}: {fault}" if fault else ""))
        return made

    def _send(self, sent: bytes) -> tuple[Answer | None, str]:
        """Send a request; return the answer, or what is wrong with there being none."""
        try:
            wire = Wire(self.random.choice(self._ports), timeout_s=ANSWER_S)
        except Lost:
            return NOT_SENT, ""
        try:
            with wire:
                wire.send(sent)
                return wire.answer(), ""
        except Silent:
            return None, f"no answer within {ANSWER_S:g} s"
        except Lost:
            return None, ""

    def fault(self, message: str) -> None:
        """Note an answer that says something wrong."""
        now = time.monotonic()
        self.replies.append(Reply(now, now, 200, message))


def _judged(answer: Answer | None, fault: str) -> tuple[Call, str]:
    if answer is None:
        return Call("unknown"), fault
    said = answer.json()
    if answer is NOT_SENT:
        return Call("refused", said), ""
    if answer.status == 200:
        return Call("ok", said), ""
    if answer.status == 503:
        is_unknown = said.get("outcome") == "unknown"
        fault = "" if answer.headers.get("retry-after") else "503 without Retry-After"
        return Call("unknown" if is_unknown else "refused", said), fault
    if answer.status in {404, 409}:
        return Call("refused", said), ""
    return Call("unknown", said), f"{answer.status}: {answer.body[:200]!r}"


class Hand(Caller):
    """Touches jobs that were acknowledged, until stopped. After a call of unknown outcome it leaves the job alone."""

    def __init__(self, ports: Sequence[int], record: Recorder, pool: Pool, *, name: str, seed: str) -> None:
        super().__init__(ports, record, name=name, seed=seed)
        self._pool = pool
        self._held: list[Handled] = []
        self._added = 0

    def run(self) -> None:
        while not self.stopped.is_set():
            self._turn()
            time.sleep(self.random.uniform(0, 2 * PAUSE_S))

    def _turn(self) -> None:
        is_fresh = self.random.random() < 0.5 or not self._held
        try:
            job = self._pool.pop() if is_fresh else self._held.pop(self.random.randrange(len(self._held)))
        except IndexError:  # nothing has been added yet
            return
        job.touches += 1
        verb = self.random.choice(FRESH if is_fresh else OLDER)
        made = self._touch(job, verb)
        if (verb, made.outcome) == ("remove", "ok"):
            if not job.job_id.isdigit() and self._add_again(job):
                self._held.append(job)
        elif made.outcome != "unknown" and job.touches < TOUCHES:
            self._held.append(job)
        del self._held[:-HELD]

    def _touch(self, job: Handled, verb: str) -> Call:
        if verb == "remove":
            return self.call(verb, job.queue, job.name, raw.request("DELETE", job.path))
        if verb == "change":
            return self._change(job)
        made = self.call(verb, job.queue, job.name, raw.request("POST", f"{job.path}/{verb}"))
        status = made.answer.get("status")
        if made.outcome == "ok" and verb != "cancel" and status not in READY:
            self.fault(f"{verb} answered with a job that is {status}")
        return made

    def _change(self, job: Handled) -> Call:
        job.rev += 1
        priority, data = self.random.randint(0, 3), job.data | {"rev": job.rev}
        body = json.dumps({"data": data, "priority": priority}).encode()
        made = self.call(
            "change", job.queue, job.name, raw.request("PATCH", job.path, body=body), rev=job.rev, priority=priority
        )
        if made.outcome == "ok" and (made.answer["data"], made.answer["priority"]) != (data, priority):
            self.fault("change answered with a job that is not as it was asked for")
        return made

    def _add_again(self, job: Handled) -> bool:
        """Add a job under the id of one that was removed; return whether it was acknowledged."""
        self._added += 1
        mark = f"{self.name}-{self._added}"
        job.data, job.rev, job.touches = {"batch": mark, "index": 0}, 0, 0
        self._record.note("ask", batch=mark, queue=job.queue, size=1, delay_ms=0, keeps={})
        added = [{"name": "n", "data": job.data, "opts": {"attempts": 50, "jobId": job.job_id}}]
        sent = raw.request(
            "POST", f"/queues/{job.queue}/jobs", f"Idempotency-Key: {mark}", body=json.dumps(added).encode()
        )
        ends_at = time.monotonic() + ADDED_S
        while time.monotonic() < ends_at:
            answer, _fault = self._send(sent)
            if answer and answer.status == 200:
                [said] = answer.json()
                ids = [name_of(said["id"], said["data"]["batch"])]
                self._record.note("acknowledged", batch=mark, ids=ids)
                return True
            if answer is not NOT_SENT:
                self._record.note("doubt", batch=mark)
            time.sleep(0.05)
        return False


class Pauser(Caller):
    """Pauses queues for moments, until stopped; from then on it sees to it that all are resumed, until it is let go."""

    def __init__(self, ports: Sequence[int], record: Recorder, queues: Sequence[str], *, name: str, seed: str) -> None:
        super().__init__(ports, record, name=name, seed=seed)
        self.let_go = threading.Event()
        self._queues = queues

    def run(self) -> None:
        while not self.stopped.wait(self.random.uniform(*RESUMED_S)):
            queue = self.random.choice(self._queues)
            self._ask("pause", queue)
            time.sleep(self.random.uniform(*PAUSED_S))
            self._resume(queue)
        while not self.let_go.wait(0.5):  # a pause without an answer may have its effect late
            for queue in self._queues:
                self._ask("resume", queue)

    def _resume(self, queue: str) -> None:
        while self._ask("resume", queue).outcome != "ok" and not self.stopped.is_set():
            time.sleep(0.05)

    def _ask(self, verb: str, queue: str) -> Call:
        return self.call(verb, queue, "", raw.request("POST", f"/queues/{queue}/{verb}"))
