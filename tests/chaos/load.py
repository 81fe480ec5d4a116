"""Producers that add jobs through whatever happens, and note all that they are told."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from tests.support import raw
from tests.support.history import History
from tests.support.raw import Answer
from tests.support.wire import Lost, Silent, Wire

PATH = "/queues/chaos/jobs"
LARGEST = 20  # jobs a batch
PAUSE_S = 0.005
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


class Producer(threading.Thread):
    """Adds batches until stopped; one with keys repeats each until it is answered with a 200, stopped or not."""

    def __init__(self, port: int, history: History, *, name: str, seed: str, is_keyed: bool) -> None:
        super().__init__(name=name)
        self.replies: list[Reply] = []
        self.stopped = threading.Event()
        self._port, self._history = port, history
        self._random, self._is_keyed = Random(seed), is_keyed
        self._wire: Wire | None = None

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            mark, size = f"{self.name}-{number}", self._random.randint(1, LARGEST)
            self._history.ask(mark, size)
            sent = _request(mark, size, is_keyed=self._is_keyed)
            ends_at = time.monotonic() + 6 * ANSWER_S
            while not self._add(mark, sent) and self._is_keyed and time.monotonic() < ends_at:
                time.sleep(10 * PAUSE_S)
            time.sleep(PAUSE_S)
        self._hang_up()

    def _add(self, mark: str, sent: bytes) -> bool:
        """Send a request once; note the answer, and say whether it was a 200."""
        asked_at = time.monotonic()
        try:
            self._wire = self._wire or Wire(self._port, timeout_s=ANSWER_S)
            self._wire.send(sent)
            answer = self._wire.answer()
        except Lost as error:
            self._hang_up()
            self._history.doubt(mark)
            is_silent = isinstance(error, Silent)
            fault = f"no answer within {ANSWER_S:g} s" if is_silent else ""
            self.replies.append(Reply(asked_at, time.monotonic(), -1 if is_silent else 0, fault))
            return False
        if answer.headers.get("connection", "").lower() == "close":
            self._hang_up()
        self.replies.append(Reply(asked_at, time.monotonic(), answer.status, self.note(mark, answer)))
        return answer.status == 200

    def note(self, mark: str, answer: Answer) -> str:
        """Put an answer into the history; return what is wrong with it, if something is."""
        if answer.status == 200:
            self._history.acknowledge(mark, [job["id"] for job in answer.json()])
            return ""
        if answer.status == 503 and answer.json().get("outcome") == "unknown":
            self._history.doubt(mark)
        if answer.status != 503 and not (answer.status == 409 and self._is_keyed):
            self._history.doubt(mark)
            return f"{answer.status}: {answer.body[:200]!r}"
        return "" if answer.headers.get("retry-after") else f"{answer.status} without Retry-After"

    def _hang_up(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None


def _request(mark: str, size: int, *, is_keyed: bool) -> bytes:
    body = json.dumps([{"name": "n", "data": {"batch": mark, "index": index}} for index in range(size)]).encode()
    return raw.request("POST", PATH, *([f"Idempotency-Key: {mark}"] if is_keyed else []), body=body)


class Load:
    """All producers, half of them with keys, during a `with` block."""

    def __init__(self, port: int, history: History, *, seed: int, producers: int) -> None:
        self._producers = [
            Producer(port, history, name=f"{'keyed' if n % 2 else 'bare'}-{n}", seed=f"{seed}/{n}", is_keyed=n % 2 == 1)
            for n in range(producers)
        ]

    def __enter__(self) -> Self:
        for producer in self._producers:
            producer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for producer in self._producers:
            producer.stopped.set()
        for producer in self._producers:
            producer.join()

    @property
    def replies(self) -> Sequence[Reply]:
        """All that was met so far, by the time at which it ended."""
        return sorted((r for p in self._producers for r in list(p.replies)), key=lambda reply: reply.ended_at)

    @property
    def is_whole(self) -> bool:
        """Whether all producers are at work."""
        return all(producer.is_alive() for producer in self._producers)

    def answered_after(self, moment: float) -> Reply | None:
        """Return the first 200 that came after `moment`, to a request of whatever age."""
        later = [
            reply
            for producer in self._producers
            for reply in producer.replies[-200:]
            if reply.status == 200 and reply.ended_at > moment
        ]
        return min(later, key=lambda reply: reply.ended_at, default=None)
