"""Running mutants: each on a copy of the checkout, by a fork of this process, which has imported all but ours."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

OURS = {"app", "tests", "rowline", "wsgi"}
PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin")
IN_TEMPLATE = ("app/store/roles",)
"""Files of which the database that tests copy is made: they make one of their own for these."""
ENDING_S = 10.0  # what a run that is told to end may take until it is killed


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    UNKNOWN = "unknown"  # pytest itself failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Tests to be run with another text of one file, or with none; at most `limit_s` seconds."""

    tests: Sequence[str]
    limit_s: float
    path: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run, how many seconds it took, what pytest said, and the text `before` the mutation."""

    run: Run
    before: str
    verdict: Verdict
    took_s: float
    said: str


@dataclass(slots=True)
class Bench:
    """A copy of the checkout with room for one run at a time, and the run that is under way."""

    place: Path
    env: dict[str, str]
    run: Run | None = None
    before: str = ""
    pid: int = 0
    began_at: float = 0.0
    is_over: bool = False
    mark: str = field(default_factory=lambda: f"TESTS_MUTANT={secrets.token_hex(8)}")

    def start(self, run: Run) -> None:
        """Begin a run."""
        self.run, self.began_at, self.is_over = run, time.monotonic(), False
        if run.path:
            self.before = (self.place / run.path).read_text()
            (self.place / run.path).write_text(run.text)
        self.pid = os.fork() or self._test(run)

    def ended(self) -> Ended | None:
        """Return what became of the run, if it is over; the copy is as it was then. Ends one that takes too long."""
        assert self.run
        took_s = time.monotonic() - self.began_at
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            if took_s > self.run.limit_s + ENDING_S:
                os.kill(self.pid, signal.SIGKILL)
            elif took_s > self.run.limit_s and not self.is_over:
                self.is_over = True
                os.kill(self.pid, signal.SIGINT)
            return None
        verdict = Verdict.TIMED_OUT if self.is_over else _verdict(os.waitstatus_to_exitcode(status))
        ended = Ended(self.run, self.before, verdict, took_s, self._output.read_text(errors="replace"))
        self._clear()
        return ended

    def stop(self) -> None:
        """End a run that is under way."""
        if self.run:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._clear()

    @property
    def _output(self) -> Path:
        return self.place.with_suffix(".out")

    def _clear(self) -> None:
        """Undo the mutation, and end what the tests have left."""
        assert self.run
        if self.run.path:
            (self.place / self.run.path).write_text(self.before)
        self.run = None
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)

    def _test(self, run: Run) -> int:
        """Be the child: run the tests of the copy and end."""
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setsid()
            os.chdir(self.place)
            with self._output.open("wb") as output, Path(os.devnull).open("rb") as nothing:
                os.dup2(nothing.fileno(), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            name, _, value = self.mark.partition("=")
            paths = [str(self.place), str(self.place / "app")]
            env = self.env | {name: value, "PYTHONPATH": ":".join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
            if run.path.startswith(IN_TEMPLATE):
                del env["TESTS_TEMPLATE"]
            os.environ |= env
            sys.path[:] = [*paths, *(path for path in sys.path if path not in {"", str(ROOT)})]
            for module in [name for name in sys.modules if name.partition(".")[0] in OURS]:
                del sys.modules[module]
            plugins = [word for plugin in PLUGINS for word in ("-p", plugin)]
            code = int(pytest.main([*plugins, "-q", "-x", "--tb=line", *run.tests]))
        finally:
            sys.stdout.flush()
            os._exit(code)


def _verdict(code: int) -> Verdict:
    if code == pytest.ExitCode.OK:
        return Verdict.SURVIVED
    # What cannot be imported is an interruption, or, by conftest, a fault of usage; a signal is below zero.
    wrong = {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR}
    is_killed = code in wrong or code < 0
    return Verdict.KILLED if is_killed else Verdict.UNKNOWN


@contextlib.contextmanager
def benches(folder: Path, number: int, env: dict[str, str]) -> Iterator[list[Bench]]:
    """Copy the checkout, as git sees it, `number` times; end whatever runs there at the end of the block."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    made = [Bench(folder / f"copy-{nth}", env) for nth in range(number)]
    for bench in made:
        for name in filter(None, files):
            if (ROOT / name).is_file():
                (bench.place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, bench.place / name)
    try:
        yield made
    finally:
        for bench in made:
            bench.stop()


def ended(benches: Sequence[Bench], runs: Iterable[Run], *, until: float) -> Iterator[Ended]:
    """Yield what becomes of runs, as many at once as there are benches; none begins after `until`."""
    left = iter(runs)
    is_more = True
    while is_more or any(bench.run for bench in benches):
        for bench in benches:
            if bench.run and (end := bench.ended()):
                yield end
            if bench.run is None and is_more:
                run = next(left, None) if time.monotonic() < until else None
                if run:
                    bench.start(run)
                else:
                    is_more = False
        time.sleep(0.02)


def failures(said: str) -> list[str]:
    """Return the names of the tests that failed, of what pytest said."""
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
