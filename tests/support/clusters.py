"""Real servers and programs for tests, on folders that are thrown away."""

import atexit
import contextlib
import dataclasses
import fcntl
import functools
import itertools
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from app.infra.settings import Settings
from app.local import home, processes
from app.local.embedded import Embedded

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable, "-P"]
IMPORTABLE = [str(ROOT), str(ROOT / "app"), *filter(None, [os.environ.get("PYTHONPATH")])]

PATIENCE_S = 45.0
"""How long tests wait for an event, with which the wait ends: machines may be slow. Less than the longest
ROWLINE_POLL_MS, 60 s, which tests of wake-ups set: what is to be heard of by a wake-up must not be seen by a poll."""
PORTS, PORTS_EACH = range(20_000, 32_000), 1_000
"""Below those that the system picks itself, 32,768 and later."""
MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
"""The free bytes from which on memory takes the servers of all workers: each writes up to a gigabyte of WAL."""


def until(
    condition: Callable[[], object], *, within_s: float = PATIENCE_S, shown: Callable[[], object] | None = None
) -> None:
    """Wait until `condition` holds; fail after `within_s`, with what `shown` returns then."""
    begun_at = asked_at = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < begun_at + within_s, f"not within {within_s} s: {condition}; {shown() if shown else ''}"
        # What is dear to ask, such as over a new connection to a database, takes a quarter of the time at most.
        time.sleep(min(max(0.01, 3 * (now - asked_at)), 0.05))
        asked_at = time.monotonic()


@contextlib.contextmanager
def open_files(soft: int) -> Iterator[None]:
    """Let this process, and those it starts, have so many files open; a shell often allows 1,024."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that is dead and not yet buried does not."""
    if Path("/proc/self").exists():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


def _ports() -> Iterator[int]:
    """Yield ports of loopback, over and over: each worker of a run has others, and each run begins elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for nth in itertools.count(os.getpid()):
        yield PORTS.start + worker * PORTS_EACH % len(PORTS) + nth % PORTS_EACH


_next_port = _ports()


def free_port() -> int:
    """Return a port that is free, and stays so while a program starts that is to listen on it.

    One that the system picks for whoever asks for any is given to others, too, in the seconds until then.
    """
    while True:
        port = next(_next_port)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def in_memory() -> Path | None:
    """Return where folders lie in memory, if it has room and programs can run there.

    A database is copied there in a tenth of the time. That the operating system survives is all that a server needs of
    it, however the server itself is killed; what is measured on disks must not use it.
    """
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    return MEMORY if found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC else None


@contextlib.contextmanager
def folder(place: Path | None = None) -> Iterator[Path]:
    """Make a folder, in `place`, that the account of an embedded server can pass through, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="rowline-test-", dir=place))
    made.chmod(0o711)
    try:
        yield made
    finally:
        until(lambda: _is_removed(made))


def _is_removed(made: Path) -> bool:
    """Remove a folder, in which an ending server may still write."""
    shutil.rmtree(made, ignore_errors=True)
    return not made.exists()


class Cluster:
    """A private PostgreSQL under the control of a test."""

    def __init__(
        self, settings: Settings, *, options: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        """`options` are further words for the server's command line, `env` further variables."""
        self.settings = settings
        self._env = dict(env or {})
        self.server = Embedded(settings)
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the superuser."""
        return self.server.owner_url

    @property
    def pid(self) -> int:
        """The pid of the postmaster."""
        assert self.process
        return self.process.pid

    def start(self) -> None:
        """Start the server, as `rowline run` does, and wait until it answers."""
        child = self.server.prepare()
        argv, env = [*child.argv, *self._options], {**child.env, **self._env}
        self.process = processes.launch(dataclasses.replace(child, argv=argv, env=env))
        until(self.server.is_ready, within_s=60)
        self.server.ensure_database()

    def stop(self) -> None:
        """Stop the server as `rowline run` does."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Stop the server as `pg_ctl stop -m immediate` does: it recovers at the next start."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None


@functools.cache
def _made(postgres_bin: Path | None) -> Path:
    """Return the data of a server as initdb makes them, which it does once in this process."""
    made = Path(tempfile.mkdtemp(prefix="rowline-test-data-", dir=in_memory()))
    made.chmod(0o711)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    settings = Settings(home=made / "home", postgres_bin=postgres_bin)
    with home.hold(settings.home):
        server = Embedded(settings)
        server.prepare()
    return server.data


@contextlib.contextmanager
def cluster(
    *,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    place: Path | None = None,
    is_copy: bool = False,
    **overrides: Any,
) -> Iterator[Cluster]:
    """Run a PostgreSQL on a fresh home, in `place`, during the block. `overrides` are members of Settings.

    `is_copy`: it is in memory, if there is room, and its data are a copy of what initdb made for another one: to make
    and sync them takes a second of CPU.
    """
    with folder(in_memory() if is_copy else place) as made:
        settings = Settings(**({"home": made / "home"} | overrides))
        with home.hold(settings.home):
            cluster = Cluster(settings, options=options, env=env)
            if is_copy:
                subprocess.run(["cp", "-a", _made(settings.postgres_bin), cluster.server.data], check=True)
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.stop()
                cluster.server.clear()


class Program:
    """A process whose output is awaited line by line; its `with` block ends it and what it has started."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        terminal: bool = False,
    ) -> None:
        """Start it, in `folder` or ours. `env` is added to ours; `terminal` gives it a controlling one of its own."""
        self._read, write = os.openpty() if terminal else _file()
        self._is_terminal = terminal
        self.process = subprocess.Popen(
            argv,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": ":".join(IMPORTABLE)} | dict(env or {}),
            stdin=write if terminal else subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            start_new_session=True,
            preexec_fn=functools.partial(_begin, terminal=terminal),  # noqa: PLW1509 -- tests have no threads
        )
        os.close(write)
        self._begun = ""
        self._unread: list[str] = []
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        # With the processes of an API, which notice late that the first of them is gone: until then they would make
        # ticks and recover jobs in the database of the tests that follow.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._read)

    @property
    def pid(self) -> int:
        return self.process.pid

    def type(self, keys: str) -> None:
        """Type on its terminal."""
        os.write(self._read, keys.encode())

    def expect(self, text: str, *, within_s: float = PATIENCE_S) -> str:
        """Return, once each, the lines that contain `text`; fail after `within_s` or at the end of the output."""
        ends_at = time.monotonic() + within_s
        while True:
            *lines, self._begun = self._begun.split("\n")
            self._unread += lines
            for line in self._unread:
                if text in line:
                    self._unread.remove(line)
                    return line.strip()
            assert self._receive(ends_at), f"no {text!r} in:\n{self.output}"

    def end(self, number: signal.Signals | None = None, *, within_s: float = PATIENCE_S) -> int:
        """Send a signal, if any; return the exit code and leave all that was said in `output`."""
        if number:
            self.process.send_signal(number)
        ends_at = time.monotonic() + within_s
        while self._receive(ends_at):
            pass
        return self.process.wait(max(0.1, ends_at - time.monotonic()))

    def lines(self) -> list[str]:
        """Return what was read of it so far, without the beginning of a line that it has not written to its end."""
        return self.output[: self.output.rfind("\n") + 1].splitlines(keepends=True)

    def rest(self) -> str:
        """Take all that it has said so far; return everything."""
        while self._receive(0.0):
            pass
        return self.output

    def _receive(self, ends_at: float) -> bool:
        received = self._from_terminal(ends_at) if self._is_terminal else self._from_file(ends_at)
        self.output += received
        self._begun += received
        return bool(received)

    def _from_terminal(self, ends_at: float) -> str:
        if not select.select([self._read], [], [], max(0.0, ends_at - time.monotonic()))[0]:
            return ""
        try:
            return os.read(self._read, 65536).decode(errors="replace")
        except OSError:  # a terminal that nobody has open any more
            return ""

    def _from_file(self, ends_at: float) -> str:
        while True:
            is_over = self.process.poll() is not None or time.monotonic() >= ends_at
            received = os.read(self._read, 65536).decode(errors="replace")
            if received or is_over:
                return received
            time.sleep(0.01)


def _file() -> tuple[int, int]:
    """Open a nameless file to read and to write: unlike a pipe, it never makes a program wait for its reader."""
    with tempfile.NamedTemporaryFile() as file:
        return os.open(file.name, os.O_RDONLY), os.open(file.name, os.O_WRONLY | os.O_APPEND)


def _begin(*, terminal: bool) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
