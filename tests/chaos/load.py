"""Producers that add jobs through whatever happens, and note all that they are told."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from tests.chaos import pullers as pulling
from tests.chaos.pullers import Puller
from tests.chaos.stand import QUEUES
from tests.checker.record import Recorder
from tests.support import raw
from tests.support.raw import Answer
from tests.support.wire import Lost, Silent, Wire

CUT_SHARE = 0.03
"""Of the requests with a key: their clients vanish while they send, or before they read."""
ANSWER_S = 10.0
"""How long a producer waits for an answer before it calls the server silent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request met. Times are of the monotonic clock; status 0: the connection broke, -1: silence."""

    asked_at: float
    ended_at: float
    status: int
    fault: str = ""

    @property
    def took_s(self) -> float:
        return self.ended_at - self.asked_at


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What producers add, and how fast."""

    queues: Sequence[str] = QUEUES
    largest: int = 20
    """Jobs a batch."""
    pause_s: float = 0.15
    """Between two requests, on average."""
    lease_ms: int = pulling.LEASE_MS
    is_steady: bool = False
    """Whether pullers hear every answer and keep every lease."""


class Producer(threading.Thread):
    """Adds batches until stopped; one with keys repeats each until it is answered with a 200, stopped or not."""

    def __init__(
        self, port: int, record: Recorder, *, name: str, seed: str, is_keyed: bool, pace: Pace = Pace()
    ) -> None:
        super().__init__(name=name)
        self._pace = pace
        self.replies: list[Reply] = []
        self.stopped = threading.Event()
        self.port, self._record = port, record
        self.acknowledged = 0
        self._random, self._is_keyed = Random(seed), is_keyed
        self._wire: Wire | None = None

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            mark, size = f"{self.name}-{number}", self._random.randint(1, self._pace.largest)
            delay_ms = self._random.choice((0, 0, 0, 300))
            self._record.note("ask", batch=mark, size=size, delay_ms=delay_ms)
            queue = self._random.choice(self._pace.queues)
            sent = _request(queue, mark, size, delay_ms=delay_ms, is_keyed=self._is_keyed)
            ends_at = time.monotonic() + 6 * ANSWER_S
            while not self._add(mark, sent) and self._is_keyed and time.monotonic() < ends_at:
                time.sleep(0.05)
            time.sleep(self._random.uniform(0, 2 * self._pace.pause_s))
        self._hang_up()

    def _add(self, mark: str, sent: bytes) -> bool:
        """Send a request once; note the answer, and say whether it was a 200."""
        asked_at = time.monotonic()
        try:
            self._wire = self._wire or Wire(self.port, timeout_s=ANSWER_S)
            if self._is_keyed and self._random.random() < CUT_SHARE:
                self._vanish(mark, sent)
                return False
            self._wire.send(sent)
            answer = self._wire.answer()
        except Lost as error:
            self._hang_up()
            self._record.note("doubt", batch=mark)
            is_silent = isinstance(error, Silent)
            fault = f"no answer within {ANSWER_S:g} s" if is_silent else ""
            self.replies.append(Reply(asked_at, time.monotonic(), -1 if is_silent else 0, fault))
            return False
        if answer.headers.get("connection", "").lower() == "close":
            self._hang_up()
        self.replies.append(Reply(asked_at, time.monotonic(), answer.status, self.note(mark, answer)))
        return answer.status == 200

    def _vanish(self, mark: str, sent: bytes) -> None:
        """Be cut off at a random byte of the request, or after it, before the answer is read."""
        assert self._wire
        length = self._random.randint(1, len(sent) * 2)
        self._wire.send(sent[:length])
        self._wire.cut(is_reset=self._random.random() < 0.5)
        self._wire = None
        self._record.note("did", name="F22 cut-in-request" if length < len(sent) else "F23 cut-before-answer")
        self._record.note("doubt", batch=mark)

    def note(self, mark: str, answer: Answer) -> str:
        """Put an answer into the history; return what is wrong with it, if something is."""
        if answer.status == 200:
            ids = [job["id"] for job in answer.json()]
            self._record.note("acknowledged", batch=mark, ids=ids)
            self.acknowledged += len(ids)
            return ""
        if answer.status == 503 and answer.json().get("outcome") == "unknown":
            self._record.note("doubt", batch=mark)
        if answer.status != 503 and not (answer.status == 409 and self._is_keyed):
            self._record.note("doubt", batch=mark)
            return f"{answer.status}: {answer.body[:200]!r}"
        return "" if answer.headers.get("retry-after") else f"{answer.status} without Retry-After"

    def _hang_up(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None


def _request(queue: str, mark: str, size: int, *, delay_ms: int, is_keyed: bool) -> bytes:
    opts = {"attempts": 50, "delay": delay_ms}
    jobs = [{"name": "n", "data": {"batch": mark, "index": index}, "opts": opts} for index in range(size)]
    headers = [f"Idempotency-Key: {mark}"] if is_keyed else []
    return raw.request("POST", f"/queues/{queue}/jobs", *headers, body=json.dumps(jobs).encode())


class Load:
    """All producers, half of them with keys, and all pullers, during a `with` block."""

    def __init__(
        self,
        ports: Sequence[int],
        record: Recorder,
        *,
        seed: int,
        producers: int,
        pullers: int,
        pace: Pace = Pace(),
        name: str = "",
    ) -> None:
        """Of two loads in one history, each needs a name."""
        self._producers = [
            Producer(
                ports[n // 2 % len(ports)],
                record,
                name=f"{name}{'keyed' if n % 2 else 'bare'}-{n}",
                seed=f"{seed}/{name}{n}",
                is_keyed=n % 2 == 1,
                pace=pace,
            )
            for n in range(producers)
        ]
        self._pullers = [
            Puller(
                ports[n % len(ports)],
                record,
                name=f"{name}puller-{n}",
                seed=f"{seed}/{name}puller-{n}",
                lease_ms=pace.lease_ms,
                is_steady=pace.is_steady,
            )
            for n in range(pullers)
        ]

    def __enter__(self) -> Self:
        for thread in (*self._producers, *self._pullers):
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_adding()
        for puller in self._pullers:
            puller.stopped.set()
        for puller in self._pullers:
            puller.join()

    def stop_adding(self) -> None:
        """Have the producers end; the pullers go on."""
        for producer in self._producers:
            producer.stopped.set()
        for producer in self._producers:
            producer.join()

    @property
    def acknowledged(self) -> int:
        """The jobs acknowledged so far."""
        return sum(producer.acknowledged for producer in self._producers)

    @property
    def claims_s(self) -> list[tuple[float, float]]:
        """When each claim that brought jobs was answered, and how long it took."""
        return [claim for puller in self._pullers for claim in list(puller.claims_s)]

    @property
    def replies(self) -> Sequence[Reply]:
        """All that was met so far, by the time at which it ended."""
        return sorted((r for p in self._producers for r in list(p.replies)), key=lambda reply: reply.ended_at)

    @property
    def is_whole(self) -> bool:
        """Whether all producers are at work."""
        return all(thread.is_alive() for thread in (*self._producers, *self._pullers))

    def answered_after(self, moment: float) -> float | None:
        """Say when, after `moment`, all nodes had answered a request with 200; None if they have not yet."""
        first: dict[int, float] = {}
        for producer in self._producers:
            for reply in producer.replies[-200:]:
                if reply.status == 200 and reply.ended_at > moment:
                    first[producer.port] = min(reply.ended_at, first.get(producer.port, reply.ended_at))
        return max(first.values()) if first.keys() == {producer.port for producer in self._producers} else None
