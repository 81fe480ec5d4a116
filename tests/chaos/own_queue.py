"""A program with a queue of its own, which no other touches, so that it knows itself what has to be true of it."""

import json
import math
import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.support import raw
from tests.support.wire import Lost, Wire

ANSWER_S = 10.0
AGAIN_S = 0.05
PATIENCE_S = 90.0
"""How long anything is awaited, faults and all."""


class OwnQueue(threading.Thread):
    """A client of any of the nodes, until stopped. It repeats what it asks until there is an answer."""

    def __init__(self, ports: Sequence[int], *, name: str, seed: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopped = threading.Event()
        self.violations: list[str] = []
        self.random = Random(seed)
        self.lost_at = -math.inf  # the last answer, on the monotonic clock
        self._ports = ports

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Send a request until it is answered by anything but a 503; return the status and the body."""
        headers = [f"Idempotency-Key: {key}"] if key else []
        sent = raw.request(method, path, *headers, body=b"" if body is None else json.dumps(body).encode())
        ends_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_at:
            try:
                with Wire(self.random.choice(self._ports), timeout_s=ANSWER_S) as wire:
                    wire.send(sent)
                    answer = wire.answer()
            except Lost:
                self.lost_at = time.monotonic()
                time.sleep(AGAIN_S)
                continue
            in_use = answer.status == 409 and answer.json().get("code") == "idempotency_key_in_use"
            if answer.status != 503 and not in_use:
                return answer.status, answer.json()
            self.lost_at = time.monotonic()
            time.sleep(AGAIN_S)
        raise AssertionError(f"no answer to {method} {path} within {PATIENCE_S:g} s")

    def wrong(self, what: str) -> None:
        """Note what is not as it has to be."""
        self.violations.append(f"{self.name}: {what}")


class Works(OwnQueue):
    """Works the jobs of such a queue, until stopped."""

    def __init__(self, ports: Sequence[int], *, name: str, seed: str, queue: str, work_s: float) -> None:
        super().__init__(ports, name=name, seed=seed)
        self._queue, self._work_s = queue, work_s

    def run(self) -> None:
        while not self.stopped.is_set():
            asked = {"count": 5, "lockDuration": 2_000, "wait": 200, "worker": self.name}
            status, said = self.ask("POST", f"/queues/{self._queue}/jobs/claim", asked)
            for lease in said["jobs"] if status == 200 else ():
                time.sleep(self.random.uniform(0, self._work_s))
                verb = "fail" if self.random.random() < 0.1 else "complete"
                self.ask("POST", f"/queues/{self._queue}/jobs/{lease['job']['id']}/{verb}", {"token": lease["token"]})
