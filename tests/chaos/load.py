"""Producers that add jobs through whatever happens, and note all that they are told."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from tests.chaos import hands
from tests.chaos import pullers as pulling
from tests.chaos.hands import Caller, Hand, Handled, Pauser, Pool
from tests.chaos.pullers import TRIMMED, TRIMMED_TO, Puller
from tests.chaos.reply import Reply
from tests.chaos.stand import QUEUES
from tests.checker.record import Recorder, name_of
from tests.support import raw
from tests.support.raw import Answer
from tests.support.wire import Lost, Silent, Wire

CUT_SHARE = 0.03
"""Of the requests with a key: their clients vanish while they send, or before they read."""
HANDLED_SHARE = 0.4
"""Of the arrays with a key, where there are hands: they may touch their jobs."""
TRIMMED_SHARE = 0.1
KEEPS: Sequence[dict[str, Any]] = (
    *({}, {}, {}, {}, {"removeOnComplete": True}, {"removeOnComplete": True, "removeOnFail": True}),
    {"removeOnComplete": {"age": 2}, "removeOnFail": {"age": 2}},
    {"removeOnComplete": {"age": 3_600}, "removeOnFail": {"age": 3_600}},
)
"""The retention of jobs with a key, where there are hands: an array draws one."""
ANSWER_S = 10.0
"""How long a producer waits for an answer before it calls the server silent."""


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
    hands: int = 0
    """Hands, beside the one that pauses. With them some arrays have retention, own ids, or jobs that hands touch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """An array of jobs to add. `opts`: of its jobs, further ones."""

    mark: str
    queue: str
    size: int
    delay_ms: int
    keeps: dict[str, Any] = field(default_factory=dict)
    opts: dict[str, Any] = field(default_factory=dict)
    has_ids: bool = False
    is_handled: bool = False

    def request(self, *, is_keyed: bool) -> bytes:
        """Put the request together, with an Idempotency-Key or without."""
        opts = {"attempts": 50, "delay": self.delay_ms} | self.opts
        jobs = [
            {
                "name": "n",
                "data": {"batch": self.mark, "index": index},
                "opts": opts | ({"jobId": f"{self.mark}.{index}"} if self.has_ids else {}),
            }
            for index in range(self.size)
        ]
        headers = [f"Idempotency-Key: {self.mark}"] if is_keyed else []
        return raw.request("POST", f"/queues/{self.queue}/jobs", *headers, body=json.dumps(jobs).encode())


class Producer(threading.Thread):
    """Adds batches until stopped; one with keys repeats each until it is answered with a 200, stopped or not."""

    def __init__(
        self,
        port: int,
        record: Recorder,
        *,
        name: str,
        seed: str,
        is_keyed: bool,
        pace: Pace = Pace(),
        pool: Pool | None = None,
    ) -> None:
        """With keys and a `pool` of jobs for hands, some of its jobs are put into that once they are acknowledged."""
        super().__init__(name=name, daemon=True)
        self._pace = pace
        self._pool = pool if is_keyed else None
        self._batch = Batch("", "", 0, 0)
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
            batch = self._batch = self._draw(f"{self.name}-{number}")
            self._record.note(
                "ask", batch=batch.mark, queue=batch.queue, size=batch.size, delay_ms=batch.delay_ms, keeps=batch.keeps
            )
            sent = batch.request(is_keyed=self._is_keyed)
            ends_at = time.monotonic() + 6 * ANSWER_S
            while not self._add(batch.mark, sent) and self._is_keyed and time.monotonic() < ends_at:
                time.sleep(0.05)
            time.sleep(self._random.uniform(0, 2 * self._pace.pause_s))
        self._hang_up()

    def _draw(self, mark: str) -> Batch:
        size, random = self._random.randint(1, self._pace.largest), self._random
        delay_ms = random.choice((0, 0, 0, 300))
        queue = random.choice(self._pace.queues)
        if self._pool is None:
            return Batch(mark, queue, size, delay_ms)
        if random.random() < TRIMMED_SHARE:
            return Batch(mark, TRIMMED, size, delay_ms, keeps={"removeOnComplete": TRIMMED_TO})
        keeps = random.choice(KEEPS)
        if random.random() > HANDLED_SHARE:
            return Batch(mark, queue, size, delay_ms, keeps=keeps, opts=keeps)
        delay_ms = random.choice((0, 300, 3_000))
        has_ids = random.random() < 0.5
        return Batch(mark, queue, size, delay_ms, keeps=keeps, opts=keeps, has_ids=has_ids, is_handled=True)

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
            added = answer.json()
            ids = [name_of(job["id"], job["data"]["batch"]) for job in added]
            self._record.note("acknowledged", batch=mark, ids=ids)
            self.acknowledged += len(ids)
            if self._pool is not None and self._batch.is_handled:
                self._pool.extend(Handled(self._batch.queue, job["id"], job["data"]) for job in added)
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
        pool = hands.pool() if pace.hands else None
        self._producers = [
            Producer(
                ports[n // 2 % len(ports)],
                record,
                name=f"{name}{'keyed' if n % 2 else 'bare'}-{n}",
                seed=f"{seed}/{name}{n}",
                is_keyed=n % 2 == 1,
                pace=pace,
                pool=pool,
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
                queues=(pulling.QUEUE,) * 3 + (TRIMMED,) if pool is not None else (pulling.QUEUE,),
            )
            for n in range(pullers)
        ]
        self._hands: list[Caller] = []
        self._pauser: Pauser | None = None
        if pool is not None:
            self._pauser = Pauser(ports, record, pace.queues, name="pauser", seed=f"{seed}/pauser")
            self._hands = [self._pauser] + [
                Hand(ports, record, pool, name=f"hand-{n}", seed=f"{seed}/hand-{n}") for n in range(pace.hands)
            ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_adding()
        for puller in self._pullers:
            puller.stopped.set()
        if self._pauser:
            self._pauser.let_go.set()
            self._pauser.join()
        for puller in self._pullers:
            puller.join()

    def stop_adding(self) -> None:
        """Have the producers end, and the hands, but for resuming; the pullers go on."""
        for one in self._producers:
            one.stopped.set()
        for hand in self._hands:
            hand.stopped.set()
        for thread in (*self._producers, *(hand for hand in self._hands if hand is not self._pauser)):
            thread.join()

    @property
    def _threads(self) -> Sequence[Producer | Puller | Caller]:
        return (*self._producers, *self._pullers, *self._hands)

    @property
    def by_hand(self) -> Sequence[Reply]:
        """What the calls of hands met, but for pauses that went well."""
        return [reply for hand in self._hands for reply in list(hand.replies)]

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
        """Whether all of them are at work."""
        return all(thread.is_alive() for thread in self._threads)

    def answered_after(self, moment: float) -> float | None:
        """Say when, after `moment`, all nodes had answered a request with 200; None if they have not yet."""
        first: dict[int, float] = {}
        for producer in self._producers:
            for reply in producer.replies[-200:]:
                if reply.status == 200 and reply.ended_at > moment:
                    first[producer.port] = min(reply.ended_at, first.get(producer.port, reply.ended_at))
        return max(first.values()) if first.keys() == {producer.port for producer in self._producers} else None
