"""A handler process, seen from the worker: jobs go in by batches, each outcome comes back as soon as it is there."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from app.domain.job import Lease

BATCH_S = 0.1  # a process is handed about this much work at once, so that no slow job waits behind another
Message = dict[str, Any]


class HandlerProcess:
    """One process that runs handlers, one job at a time, in the order given.

    `outstanding` holds what it was given and has not answered, in that order: the first is the one it runs.
    """

    def __init__(self, handlers: Path, *, max_batch: int) -> None:
        """Start the process; it says `ready` or `broken` when it has loaded the file `handlers`."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own words, no shell
                [sys.executable, "-P", "-m", "rowline.child", str(theirs.fileno()), str(handlers)],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket.setblocking(False)
        self._unsent, self._unread = b"", b""
        self._max_batch = max_batch
        self._working_since = 0.0
        self.outstanding: dict[int, Lease] = {}
        self.window = 1  # jobs it may hold
        self.ready = False
        self.broken: str | None = None  # the traceback of loading the file
        self.stopping = False

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._socket.fileno()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def wants_to_send(self) -> bool:
        """Whether something waits for the socket to take it."""
        return bool(self._unsent)

    @property
    def room(self) -> int:
        """How many jobs it would take now: none until half of what it holds is done."""
        if not self.ready or self.stopping or len(self.outstanding) > self.window // 2:
            return 0
        return self.window - len(self.outstanding)

    def give(self, leases: list[Lease]) -> None:
        """Hand over jobs. Never blocks."""
        if not self.outstanding:
            self._working_since = time.monotonic()
        self.outstanding |= {lease.job.number: lease for lease in leases}
        self._post({"jobs": [_message(lease) for lease in leases]})

    def stop(self) -> None:
        """Let it end after the job that it runs."""
        self.stopping = True
        self._post({"stop": True})

    def kill(self) -> None:
        """End it now."""
        self.stopping = True
        self._process.kill()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # it is dead or dying, which `ended` will tell

    def receive(self) -> list[Message]:
        """Return the messages that have come in. Never blocks."""
        chunks = [self._unread]
        try:
            while chunk := self._socket.recv(1 << 18):
                chunks.append(chunk)
        except OSError:
            pass  # nothing more for now, or for ever
        *lines, self._unread = b"".join(chunks).split(b"\n")
        return [orjson.loads(line) for line in lines]

    def answered(self, number: int) -> Lease | None:
        """Take the job of an outcome off what is outstanding; None if it was not."""
        return self.outstanding.pop(number, None)

    def adapt(self, answered: int) -> None:
        """Fit the window to the pace: `answered` jobs took as long as it has been working since the last answers."""
        now = time.monotonic()
        pace_s = max(now - self._working_since, 1e-6) / answered
        self._working_since = now
        self.window = max(1, min(self._max_batch, self.window * 2, int(BATCH_S / pace_s)))

    def ended(self) -> int | None:
        """Return the exit code if the process is gone, negative for a signal; None while it lives."""
        return self._process.poll()

    def close(self) -> None:
        """Let go of the socket of a process that is gone."""
        self._socket.close()

    def _post(self, message: Message) -> None:
        self._unsent += orjson.dumps(message) + b"\n"
        self.flush()


def _message(lease: Lease) -> Message:
    job = lease.job
    return {
        "number": job.number,
        "queue": job.queue,
        "id": job.id,
        "name": job.name,
        "data": _one_line(job.data),
        "opts": _one_line(job.opts),
        "priority": job.priority,
        "attempt": job.attempts_made + 1,
        "timestamp": int(job.added_at.timestamp() * 1000),
        "token": lease.token,
    }


def _one_line(text: str) -> orjson.Fragment:
    """Put JSON text on one line: line ends in it can only be white space."""
    return orjson.Fragment(text.replace("\n", " "))
