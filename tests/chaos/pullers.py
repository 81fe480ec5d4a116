"""Pullers that work jobs over HTTP through whatever happens, and note what they did and what they were told."""

import json
import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.checker.record import Recorder, name_of
from tests.support import raw
from tests.support.raw import Answer
from tests.support.wire import Lost, Wire

QUEUE = "pulled"
TRIMMED = "trimmed"  # a queue that keeps the newest completed jobs alone
TRIMMED_TO = 200
LEASE_MS = 2_000
ANSWER_S = 10.0
MOST = 20  # jobs a claim
REPEATED_SHARE = 0.1
"""Of the completions that were accepted: they are told again."""
TOLD_S = 12.0
"""How long a puller repeats what it has to tell, while it gets no answer."""

Lease = dict[str, Any]


class Puller(threading.Thread):
    """Claims, works and tells until stopped. Now and then it dawdles, walks away, or does not hear an answer."""

    def __init__(
        self,
        port: int,
        record: Recorder,
        *,
        name: str,
        seed: str,
        lease_ms: int = LEASE_MS,
        is_steady: bool = False,
        queues: Sequence[str] = (QUEUE,),
    ) -> None:
        """A steady one hears every answer and keeps every lease. Each claim is of one of `queues`."""
        super().__init__(name=name, daemon=True)
        self._lease_ms, self._is_steady = lease_ms, is_steady
        self.stopped = threading.Event()
        self.claims_s: list[tuple[float, float]] = []  # when each was answered, and how long it took
        self._port, self._record, self._random = port, record, Random(seed)
        self._queues, self._queue = queues, queues[0]
        self._tries = 0  # of what it told last
        self._names: dict[str, str] = {}  # of the jobs that it holds, by their tokens
        self._wire: Wire | None = None

    def run(self) -> None:
        leases: list[Lease] = []
        while leases or not self.stopped.is_set():
            leases = self._turn(leases or self._claim())
        self._hang_up()

    def _claim(self) -> list[Lease]:
        self._queue = self._random.choice(self._queues)
        asked = {
            "count": self._random.randint(1, MOST),
            "lockDuration": self._lease_ms,
            "wait": 500,
            "worker": self.name,
        }
        began = time.monotonic()
        answer = self._ask("claim", asked)
        if answer is None or answer.status != 200:
            time.sleep(0.05)
            return []
        leases = self._claimed(answer)
        if leases:
            self.claims_s.append((time.monotonic(), time.monotonic() - began))
        return leases

    def _claimed(self, answer: Answer) -> list[Lease]:
        leases = list(answer.json()["jobs"])
        for lease in leases:
            job = lease["job"]
            self._record.note(
                "claimed", id=_name(job), queue=self._queue, nth=job["attemptsStarted"], token=lease["token"],
                worker=self.name, at=job["processedOn"], until=lease["lockedUntil"], **_seen(job),
            )  # fmt: skip
        return leases

    def _turn(self, leases: list[Lease]) -> list[Lease]:
        """Work what was claimed, tell how it went, and return what was claimed with that."""
        draw = self._random.uniform(0.01, 1) if self._is_steady else self._random.random()
        if leases and draw < 0.004:
            self._blame("walk-away")
            return []
        if leases and draw < 0.01:
            self._beat(leases[0])
            self._blame("dawdle", self._lease_ms / 1000)
            time.sleep(self._lease_ms / 1000 + 0.5)  # the leases run out, and it goes on all the same
        self._names = {lease["token"]: _name(lease["job"]) for lease in leases}
        told = [self._run(lease) for lease in leases]
        if not told:
            return []
        if draw > 0.7:
            for one in told:
                self._tell_one(one)
            return []
        return self._tell_all(told)

    def _run(self, lease: Lease) -> dict[str, Any]:
        job_id, token = lease["job"]["id"], lease["token"]
        name = self._names[token]
        self._record.note("began", id=name, token=token, worker=self.name, **_seen(lease["job"]))
        self._record.note("ended", id=name, token=token, worker=self.name)
        draw = self._random.random()
        if draw < 0.01:
            return {"id": job_id, "token": token, "failedReason": "drawn"}
        return {"id": job_id, "token": token, "returnvalue": token}

    def _blame(self, name: str, seconds: float = 0.0) -> None:
        """Note what this puller does to itself."""
        self._record.note("fault", name=name, target=self.name, until=time.monotonic() + seconds)

    def _beat(self, lease: Lease) -> None:
        job_id, token = lease["job"]["id"], lease["token"]
        answer = self._ask(f"{job_id}/extend", {"token": token, "lockDuration": self._lease_ms})
        if answer is not None and answer.status == 200:
            self._record.note("extended", id=_name(lease["job"]), token=token, until=answer.json()["lockedUntil"])

    def _tell_all(self, told: list[dict[str, Any]]) -> list[Lease]:
        asked_at = time.monotonic()
        body: dict[str, Any] = {"jobs": told}
        wish = (
            {}
            if self.stopped.is_set()
            else {"claim": {"count": MOST, "lockDuration": self._lease_ms, "worker": self.name}}
        )
        answer = self._until_told("finish", body, first=wish)
        statuses = {}
        if answer is not None and answer.status == 200:
            statuses = {one["id"]: one["status"] for one in answer.json()["finished"]}
        for one in told:
            status = statuses.get(one["id"])
            self._told(one, asked_at, "unknown" if status is None else "lost" if status == "lost" else "ok")
        return self._claimed(answer) if statuses and answer is not None else []

    def _tell_one(self, one: dict[str, Any]) -> None:
        asked_at, verb = time.monotonic(), "fail" if "failedReason" in one else "complete"
        said = {name: value for name, value in one.items() if name != "id"}
        if self._random.random() < 0.01:
            verb, said = "release", {"token": one["token"], "delay": 50}
        answer = self._until_told(f"{one['id']}/{verb}", said)
        outcome = _outcome(answer)
        self._told(one, asked_at, outcome, verb=verb)
        if (verb, outcome) == ("complete", "ok") and self._random.random() < REPEATED_SHARE:
            repeated = _outcome(self._until_told(f"{one['id']}/{verb}", said))
            self._record.note("told again", id=self._names[one["token"]], token=one["token"], outcome=repeated)

    def _told(self, one: dict[str, Any], asked_at: float, outcome: str, *, verb: str = "") -> None:
        verb = verb or ("fail" if "failedReason" in one else "complete")
        self._record.note(
            "told", id=self._names[one["token"]], token=one["token"], verb=verb, outcome=outcome, asked=asked_at,
            result=one.get("returnvalue"), tries=self._tries,
        )  # fmt: skip

    def _until_told(self, path: str, body: dict[str, Any], *, first: dict[str, Any] | None = None) -> Answer | None:
        """Tell, and tell again what got no answer; only the first time with the wish for more."""
        ends_at = time.monotonic() + TOLD_S
        said = body | (first or {})
        self._tries = 0
        while True:
            self._tries += 1
            answer = self._ask(path, said, is_heard=self._is_steady or self._random.random() > 0.02)
            if answer is not None and answer.status != 503:
                return answer
            if time.monotonic() > ends_at:
                return None
            said = body
            time.sleep(0.05)

    def _ask(self, path: str, body: dict[str, Any], *, is_heard: bool = True) -> Answer | None:
        """Send one request; None where no answer came, or was not listened to."""
        sent = raw.request("POST", f"/queues/{self._queue}/jobs/{path}", body=json.dumps(body).encode())
        try:
            self._wire = self._wire or Wire(self._port, timeout_s=ANSWER_S)
            self._wire.send(sent)
            if not is_heard:
                self._blame("F24 lost-answer")
                self._wire.cut(is_reset=self._random.random() < 0.5)
                self._wire = None
                return None
            answer = self._wire.answer()
        except Lost:
            self._blame("got no answer")
            self._hang_up()
            return None
        if answer.headers.get("connection", "").lower() == "close":
            self._hang_up()
        return answer

    def _hang_up(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None


def _name(job: dict[str, Any]) -> str:
    return name_of(job["id"], job["data"].get("batch", ""))


def _seen(job: dict[str, Any]) -> dict[str, int]:
    return {"rev": job["data"].get("rev", 0), "priority": job["priority"]}


def _outcome(answer: Answer | None) -> str:
    return {200: "ok", 409: "lost", 404: "lost"}.get(answer.status if answer else 0, "unknown")
