"""One client: sends cases over a kept connection and judges each answer by itself."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fuzz import cases
from tests.fuzz.cases import Case
from tests.support.raw import Answer
from tests.support.wire import Lost, Wire

_CODE = re.compile(r"[a-z][a-z0-9_]*")
_SHOWN = 2_000  # bytes of a request in the report of a violation; the number of the case gives all of them
KEPT = 20


@dataclass(slots=True)
class Tally:
    """What came of some cases."""

    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    created: int = 0
    """Jobs that answers of 200 told of as created, without those that others told of as removed."""
    doubtful: int = 0
    """Broken framings that ended without any answer: each may have stored something, or not."""
    connections: int = 0
    slowest_s: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.cases += other.cases
        self.kinds += other.kinds
        self.statuses += other.statuses
        self.created += other.created
        self.doubtful += other.doubtful
        self.connections += other.connections
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.violations = (self.violations + other.violations)[:KEPT]


def run(port: int, seed: int, numbers: Iterable[int]) -> Tally:
    """Send the cases of these numbers, one after the other."""
    client = _Client(port)
    for number in numbers:
        client.do(cases.make(seed, number))
    client.hang_up()
    return client.tally


class _Client:
    def __init__(self, port: int) -> None:
        self.tally = Tally()
        self._port = port
        self._wire: Wire | None = None

    def do(self, case: Case) -> None:
        self.tally.cases += 1
        self.tally.kinds[case.kind] += 1
        began_at = time.monotonic()
        try:
            answers = self._framed(case) if case.is_framed else self._broken(case)
        except (Lost, AssertionError, ValueError) as error:
            self.hang_up()
            self._violation(case, f"{type(error).__name__}: {error}")
            return
        self.tally.slowest_s = max(self.tally.slowest_s, time.monotonic() - began_at)
        for answer in answers:
            self.tally.statuses[answer.status] += 1
            self.tally.created += created(case, answer)
            if said := fault(case, answer):
                self._violation(case, said)

    def hang_up(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = Wire(self._port)
            self.tally.connections += 1
        return self._wire

    def _framed(self, case: Case) -> list[Answer]:
        """Send a request that has an end; exactly one answer must come."""
        wire = self._connected()
        wire.send(case.sent)
        answer = wire.answer(is_bodiless=case.method == "HEAD")
        if answer.headers.get("connection", "").lower() == "close":
            self.hang_up()
        elif wire.has_begun:
            raise ValueError("more came than one answer")
        return [answer]

    def _broken(self, case: Case) -> list[Answer]:
        """Send what has no sure end, and that no more will come; the server must close by itself."""
        self.hang_up()
        answers: list[Answer] = []
        wire = self._connected()
        wire.send(case.sent, is_last=True)
        try:
            while True:
                answers.append(wire.answer())
        except Lost as error:
            if wire.has_begun or "in time" in str(error):
                raise
        self.hang_up()
        self.tally.doubtful += not answers
        return answers

    def _violation(self, case: Case, said: str) -> None:
        shown = case.sent[:_SHOWN] + (b"..." if len(case.sent) > _SHOWN else b"")
        if len(self.tally.violations) < KEPT:
            self.tally.violations.append(f"case {case.number} ({case.kind}): {said}\n    {shown!r}")


def created(case: Case, answer: Answer) -> int:
    """Count the jobs that an answer says it stored: a POST's, unless it was given before; -1 for one removed."""
    if case.method == "DELETE" and answer.status == 200 and b'"queueQualifiedName"' in answer.body:
        return -1
    is_new = answer.status == 200 and "idempotency-replayed" not in answer.headers
    if not is_new or case.method != "POST" or not answer.body.startswith(b"[") or len(answer.body) == 2:
        return 0
    return sum(job["outcome"] == "created" for job in json.loads(answer.body))


def fault(case: Case, answer: Answer) -> str:
    """Say what is wrong with an answer, whatever was asked."""
    if answer.status >= 500:
        return f"{answer.status}: {answer.body[:500]!r}"
    if not answer.headers.get("x-request-id"):
        return f"{answer.status} without X-Request-Id"
    return "" if answer.status < 400 or case.method == "HEAD" else _form_fault(answer)


def _form_fault(answer: Answer) -> str:
    """Say how the answer of an error departs from the form of all of them."""
    if answer.headers.get("content-type") != "application/json":
        return f"{answer.status} of type {answer.headers.get('content-type')}: {answer.body[:200]!r}"
    said = json.loads(answer.body)
    if not isinstance(said, dict) or not said.get("error") or not _CODE.fullmatch(str(said.get("code"))):
        return f"{answer.status} in another form: {answer.body[:200]!r}"
    if said.get("requestId") != answer.headers["x-request-id"]:
        return f"{answer.status} whose requestId is not its header's: {answer.body[:200]!r}"
    return ""
