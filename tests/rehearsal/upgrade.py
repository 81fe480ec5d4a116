"""An upgrade under load: the release before serves, the schema moves under it, this release takes over, and so on."""

import contextlib
import http.client
import itertools
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.postgres import schema
from tests.chaos import pullers
from tests.chaos.load import Load, Pace
from tests.chaos.reply import Reply
from tests.chaos.stand import WORKED, Ground
from tests.checker import record, verdict
from tests.checker.record import Recorder
from tests.checker.verdict import Verdict
from tests.rehearsal import to_come
from tests.rehearsal.release import PRESENT, Release
from tests.support.clusters import PYTHON, Program, free_port, until
from tests.support.raw import TOKEN

PACE = Pace(queues=(pullers.QUEUE, WORKED), largest=3, pause_s=0.04, lease_ms=10_000, is_steady=True)
SETTINGS = {
    "ROWLINE_LEASE_MS": "10000",
    "ROWLINE_RECOVER_MS": "500",
    "ROWLINE_POLL_MS": "200",
    "ROWLINE_API_PROCESSES": "1",
}
"""Such as both releases know."""
FAILED_SHARE = 0.001
STALL_S = 2.0
DRAINED_S = 60.0
TO_COME = "import pathlib, sys; from app.postgres import schema; schema.MIGRATIONS = pathlib.Path(sys.argv[1]); "
TO_COME += "schema.upgrade(sys.argv[2])"


@dataclass(slots=True)
class Run:
    """What an upgrade came to."""

    phases: list[tuple[str, float]] = field(default_factory=list)
    """What began when, by the monotonic clock."""
    replies: list[Reply] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    unanswered: int = 0
    """Requests of pullers that got no answer."""

    @property
    def failed(self) -> int:
        """Requests without an answer, or with one of 500 and above."""
        return self.unanswered + sum(reply.status <= 0 or reply.status >= 500 for reply in self.replies)

    @property
    def stall_s(self) -> float:
        """The longest that one request, or all of them, took to be answered."""
        ended = sorted(reply.ended_at for reply in self.replies if reply.status == 200)
        gaps = [after - before for before, after in itertools.pairwise(ended)]
        return max([*gaps, *(reply.took_s for reply in self.replies)])

    def broken(self, *, stall_s: float = STALL_S) -> list[str]:
        """Say which promises were not kept, of them that no request, nor all of them, took longer than `stall_s`."""
        found = [f"{count} x {violation}" for violation, count in self.verdict.found.items()]
        if self.failed > FAILED_SHARE * len(self.replies):
            found.append(f"{self.failed} of {len(self.replies)} requests failed: {self.statuses()}")
        if self.stall_s > stall_s:
            found.append(f"a stall of {self.stall_s:.2f} s")
        return found

    def statuses(self) -> Counter[int]:
        return Counter(reply.status for reply in self.replies)


class Fleet:
    """As many nodes and workers of one release, and clients of theirs."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        release: Release,
        ground: Ground,
        folder: Path,
        history: Recorder,
        *,
        producers: int,
        size: int,
    ) -> None:
        """Start all of it, to be ended by `stack` at the latest."""
        self._stack = stack
        base = SETTINGS | {"DATABASE_URL": ground.url, "ROWLINE_HOME": str(folder / "home")}
        self.ports = [free_port() for _ in range(size)]
        self.nodes = [
            self._start(release, "serve", env=base | {"AUTH_TOKENS": TOKEN, "PORT": str(port)}) for port in self.ports
        ]
        handlers = Path(__file__).with_name("handlers.py")
        env = base | {"CHAOS_RECORD": str(folder / "workers.jsonl")}
        words = ("work", "--queue", WORKED, "--handlers", handlers)
        self.workers = [self._start(release, *words, env=env) for _ in range(size)]
        for node in self.nodes:
            node.expect("api_started", within_s=60)
        for worker in self.workers:
            worker.expect("worker_started", within_s=60)
        name = release.folder.name
        load = Load(self.ports, history, seed=1, producers=producers, pullers=3, pace=PACE, name=f"{name}-")
        self.load = self._stack.enter_context(load)

    def _start(self, release: Release, *words: str | Path, env: dict[str, str]) -> Program:
        return self._stack.enter_context(release.rowline(*words, env=env))

    def retire(self) -> None:
        """Send the clients away, as a proxy does, then end the nodes and the workers as an operator does."""
        self.load.__exit__()
        for program in (*self.nodes, *self.workers):
            program.process.send_signal(signal.SIGTERM)
        codes = [program.end(within_s=60) for program in (*self.nodes, *self.workers)]
        assert codes == [0] * len(codes), codes


def rehearse(earlier: Release, folder: Path, url: str, *, phase_s: float, producers: int, size: int = 2) -> Run:
    """Upgrade an empty database, `phase_s` seconds in each of five states, with `size` nodes and as many workers."""
    run, history = Run(), Recorder(folder / "clients.jsonl")

    def go_on(name: str) -> None:
        run.phases.append((name, time.monotonic()))
        threading.Event().wait(phase_s)

    with contextlib.ExitStack() as stack:
        ground = Ground(url)
        _end_well(earlier.rowline("db", "upgrade", env={"DATABASE_URL": url}))
        history.note("clock", at=ground.now_ms())
        old = Fleet(stack, earlier, ground, folder, history, producers=producers, size=size)
        go_on("the release before")
        _end_well(PRESENT.rowline("db", "upgrade", env={"DATABASE_URL": url}))
        go_on("the release before on the new schema")
        new = Fleet(stack, PRESENT, ground, folder, history, producers=producers, size=size)
        go_on("both releases")
        assert old.load.is_whole
        assert _pause(new.ports[0]) == (409, "older_nodes_run")
        old.retire()
        go_on("this release")
        until(lambda: _pause(new.ports[0]) == (200, None))  # sessions of the older ones may end a little later
        _end_well(Program([*PYTHON, "-c", TO_COME, to_come.migrations(folder), url]))
        go_on("this release on a schema to come, with a column, a check and an index more on jobs")
        assert new.load.is_whole
        new.load.stop_adding()
        until(lambda: not ground.open_jobs(), within_s=DRAINED_S)
        new.retire()
        history.close()
        events = record.read(history.path, folder / "workers.jsonl")
        run.verdict = verdict.check(events, jobs=ground.stored(), attempts=ground.attempts())
        run.unanswered = sum(event.get("name") == "got no answer" for event in events)
        run.replies = [*old.load.replies, *new.load.replies]
    return run


def _pause(port: int) -> tuple[int, str | None]:
    """Pause a queue that nobody works; return the status of the response, and the code of the error if it is one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/queues/held/pause", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("code")


def _end_well(program: Program) -> None:
    with program:
        assert program.end(within_s=60) == 0, program.output


def table(run: Run, earlier: Release) -> str:
    """Say all in figures."""
    rows = {"from": earlier.about, "schema": f"{earlier.revision} to {schema.head()}, then to {to_come.NAME}"}
    for (name, since), until_s in zip(run.phases, [at for _, at in run.phases[1:]] + [float("inf")], strict=True):
        rows[name] = _line([reply for reply in run.replies if since <= reply.asked_at < until_s])
    rows["all"] = _line(run.replies)
    rows["failed, longest stall"] = f"{run.failed} requests, {run.stall_s:.2f} s"
    found = run.verdict
    rows["jobs acknowledged"] = f"{found.acknowledged:,}, lost {found.found['lost']}, doubled {found.found['doubled']}"
    rows["runs"] = f"{found.runs:,}, again {found.repeated_runs:,}, all explained: {found.is_good}"
    return "\n".join(f"{name:<40.40}  {value}" for name, value in rows.items())


def _line(replies: Sequence[Reply]) -> str:
    if not replies:
        return "no requests"
    took_s = max(reply.ended_at for reply in replies) - min(reply.asked_at for reply in replies)
    slowest = max(reply.took_s for reply in replies)
    statuses = ", ".join(f"{n:,} x {status}" for status, n in Counter(reply.status for reply in replies).items())
    rate = f"{len(replies):,} requests in {took_s:.1f} s ({len(replies) / took_s:.0f}/s)"
    return f"{rate}: {statuses}; slowest {slowest:.2f} s"
