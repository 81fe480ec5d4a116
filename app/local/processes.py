"""Child processes: one supervisor starts them, restarts those that die, and stops them in order."""

import contextlib
import ctypes
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_log = logging.getLogger(__name__)

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
YOUNG_S = 10.0
"""A child that dies within this time of its start is restarted with backoff."""
LONGEST_DELAY_S = 4.0
_FIRST_DELAY_S = 0.5
_LOOK_S = 0.05
_KILLED_S = 5.0
_PR_SET_PDEATHSIG = 1


def allow_open_files(wanted: int) -> int:
    """Raise the soft limit of open files (often 1,024) to `wanted`, or to the hard limit; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def files_fault(name: str, *, allowed: int, needed: int) -> str | None:
    """Return what to tell the operator if a process may open fewer files than it needs."""
    if allowed >= needed:
        return None
    return f"{name} may open {allowed} files but needs {needed}: raise the hard limit (ulimit -Hn, LimitNOFILE=)"


class StartError(Exception):
    """A child cannot be started; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The account that a child runs as."""

    name: str
    uid: int
    gid: int

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `subprocess` for it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Child:
    """A program to keep running. `account` None: the supervisor's; `errors` None: the supervisor's standard error.

    `before` runs in the supervisor before each start; a StartError from it counts as a death.
    """

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str]
    account: Account | None = None
    cwd: Path | None = None
    errors: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    before: Callable[[], None] = _nothing


def launch(child: Child) -> subprocess.Popen[bytes]:
    """Start `child` in a session of its own, out of reach of Ctrl-C; it gets its stop signal if this process dies."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(child.errors.open("wb")) if child.errors else None
        return subprocess.Popen(  # noqa: S603
            child.argv,
            env=child.env,
            cwd=child.cwd,
            stdin=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=tie(child.stop_signal),  # noqa: PLW1509 -- the supervisor has no threads
            **(child.account.arguments if child.account else {}),
        )


def tie(number: signal.Signals) -> Callable[[], None]:
    """Return a function that has a new child receive `number` when this process dies. Linux only."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent = os.getpid()

    def tie_to_parent() -> None:
        # It runs after the change of the account, which would reset it.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        if prctl is None:
            return
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent has died already
            os._exit(1)

    return tie_to_parent


class _Post:
    """A child of the supervisor: its process, or the time at which it is to be restarted."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.wanted = True
        self.deaths = 0
        """How often in a row it died within YOUNG_S."""
        self.due_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def tend(self) -> None:
        """Handle a death; start the process if it is due. Times are of the monotonic clock."""
        if self.process and self.process.poll() is not None:
            self._reap(self.process)
        if self.process is None and self.wanted and time.monotonic() >= self.due_at:
            self._start()

    def send(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the process and its process group."""
        if self.process:
            _log.error("child_killed", extra={"child": self.child.name, "pid": self.process.pid})
            _kill_group(self.process.pid)

    def _start(self) -> None:
        self._started_at = time.monotonic()
        try:
            self.child.before()
            self.process = launch(self.child)
        except (OSError, subprocess.SubprocessError, StartError):
            _log.exception("child_not_started", extra={"child": self.child.name})
            self._delay()
        else:
            _log.info("child_started", extra={"child": self.child.name, "pid": self.process.pid})

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        self.process = None
        _kill_group(process.pid)  # its remaining processes could hold its port or its jobs
        facts = {"child": self.child.name, "pid": process.pid, "status": process.returncode}
        if not self.wanted:
            _log.info("child_ended", extra=facts)
            return
        _log.error("child_died", extra=facts | {"restartMs": round(self._delay() * 1000)})

    def _delay(self) -> float:
        """Set when to restart: at once the first time, then with backoff while it dies within YOUNG_S.

        Return in how many seconds.
        """
        now = time.monotonic()
        self.deaths = self.deaths + 1 if now - self._started_at < YOUNG_S else 1
        delay_s = min(LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (self.deaths - 2)) if self.deaths > 1 else 0.0
        self.due_at = now + delay_s
        return delay_s


class Supervisor:
    """Runs child processes during a `with` block and stops them at its end. One per process, in the main thread.

    SIGINT, SIGTERM and SIGHUP request a stop; each further one is passed on to the children that still run.
    """

    def __init__(self, *, limit_s: float) -> None:
        """Prepare. Children that have not stopped within `limit_s` are killed."""
        self.stop_asked = False
        self._limit_s = limit_s
        self._groups: list[list[_Post]] = []

    def __enter__(self) -> Self:
        self._ears, mouth = os.pipe()
        self._mouth = mouth
        os.set_blocking(self._ears, False)
        os.set_blocking(mouth, False)
        # A SIGHUP that nohup ignores stays ignored; SIGINT, which shells ignore in background jobs, is handled.
        kept_ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        numbers = {*STOP_SIGNALS, signal.SIGCHLD} - kept_ignored
        self._kept = {number: signal.signal(number, _heard) for number in numbers}
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self._stop()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._kept.items():
                signal.signal(number, handler)
            os.close(self._ears)
            os.close(self._mouth)

    def start(self, *children: Child) -> None:
        """Start a group of children: they are stopped together, before those that were started earlier."""
        group = [_Post(child) for child in children]
        self._groups.append(group)
        for post in group:
            post.tend()

    def wait_until(self, condition: Callable[[], bool], *, child: str, timeout_s: float, tries: int = 3) -> bool:
        """Wait until `condition` holds; return False if a stop was requested first.

        Raises StartError after `timeout_s`, or if `child` has died `tries` times.
        """
        post = next(post for post in self._posts() if post.child.name == child)
        ends_at = time.monotonic() + timeout_s
        while not self.stop_asked:
            if condition():
                return True
            if post.deaths >= tries:
                raise StartError(f"{child} does not start: it died {post.deaths} times")
            if time.monotonic() >= ends_at:
                raise StartError(f"{child} was not ready within {timeout_s:g} s")
            self._turn(_LOOK_S)
        return False

    def run(self) -> None:
        """Keep all children running until a stop is requested."""
        while not self.stop_asked:
            self._turn(None)

    def _posts(self) -> list[_Post]:
        return [post for group in self._groups for post in group]

    def _stop(self) -> None:
        for group in reversed(self._groups):
            for post in group:
                post.wanted = False
            self._end(group)
        self._groups.clear()

    def _end(self, group: list[_Post]) -> None:
        """Stop one group; the other children are kept running: a worker may need its database to finish."""
        asked = True
        ends_at, killed = time.monotonic() + self._limit_s, False
        while living := [post for post in group if post.process]:
            for post in living if asked else []:
                post.send(post.child.stop_signal)
            asked = self._turn(max(0.0, ends_at - time.monotonic()))
            if time.monotonic() < ends_at:
                continue
            if killed:
                return  # SIGKILL does not end it: it waits for a disk that does not respond
            ends_at, killed = time.monotonic() + _KILLED_S, True
            for post in living:
                post.kill()

    def _turn(self, timeout_s: float | None) -> bool:
        """Sleep until a signal arrives, or `timeout_s`; tend all children. Return whether a stop was requested."""
        posts = self._posts()
        waits = [max(0.0, p.due_at - time.monotonic()) for p in posts if p.wanted and not p.process]
        if timeout_s is not None:
            waits.append(timeout_s)
        select.select([self._ears], [], [], min(waits, default=None))
        asked = not STOP_SIGNALS.isdisjoint(self._hear())
        self.stop_asked = self.stop_asked or asked
        for post in posts:
            post.tend()
        _reap_orphans()
        return asked

    def _hear(self) -> bytes:
        """Return the numbers of the signals received since the last call."""
        try:
            return os.read(self._ears, 65536)
        except BlockingIOError:
            return b""


def _heard(_number: int, _frame: object) -> None:
    """Do nothing: the number of the signal was written to the wake-up pipe."""


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _reap_orphans() -> None:
    """Reap orphaned processes: in a container, process 1 becomes their parent."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
