"""A program that is started again whenever it has ended, as a supervisor would."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.clusters import Program
from tests.support.family import children

LOOK_S = 0.05


class Kept:
    """One program and a thread that keeps it; both end with the `with` block."""

    def __init__(self, argv: Sequence[str | Path], *, env: Mapping[str, str], ready: str, log: Path) -> None:
        """`ready` is what its log says when it stands; all that it says goes to the end of `log`."""
        self._log = log
        self._argv, self._env, self._ready = argv, env, ready
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self.program = self._start()
        self.starts = 1

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._keeper.join()
        self.resume()
        self.program.process.terminate()
        with contextlib.suppress(Exception):
            self.program.process.wait(15)
        self._bury()

    @property
    def pid(self) -> int:
        return self.program.pid

    def end(self, number: signal.Signals) -> None:
        """Send a signal that ends it, and wait until another stands in its place."""
        starts = self.starts
        self.program.process.send_signal(number)
        ends_at = time.monotonic() + 40
        while self.starts == starts and time.monotonic() < ends_at:
            time.sleep(LOOK_S)
        assert self.starts > starts, "it was not started again"

    def pause(self, seconds: float) -> None:
        """Stop it for a while, as a machine that sleeps would; what it has started runs on."""
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

    def resume(self) -> None:
        """Let it and what it has started go on."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for pid in (self.pid, *children(self.pid)):
                os.kill(pid, signal.SIGCONT)

    def _bury(self) -> None:
        with self._log.open("a") as log:
            log.write(self.program.rest())
        self.program.__exit__()

    def _start(self) -> Program:
        program = Program(self._argv, env=self._env)
        program.expect(self._ready, within_s=60)
        return program

    def _keep(self) -> None:
        while not self._stopped.wait(LOOK_S):
            if self.program.process.poll() is not None:
                self._bury()
                with contextlib.suppress(AssertionError):  # the database may be away: the next one may stand
                    self.program = self._start()
                    self.starts += 1
