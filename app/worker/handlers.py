"""The worker's side of a handler process: it sends batches of jobs and receives each outcome as soon as it is known.

A job begins only when the process has read its permit from a pipe. The worker holds the reading end too: it takes jobs
back that have not begun by reading their permits itself, since the kernel delivers each permit to one reader.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from app.domain.job import ClaimedJob
from app.infra import settings

BATCH_S = 0.1  # a process gets about this much work at a time, so that no job waits long behind another
MOMENT_S = 0.01  # this much work more is prefetched, since a claim takes a few ms
BRISK_S = 0.001
PERMIT_BYTES = 8  # as in rowline/child.py
PIECE = select.PIPE_BUF // PERMIT_BYTES * PERMIT_BYTES  # written to a pipe as a whole or not at all
WINDOW_BYTES = 16 * 2**20  # a process that has so much data is given no more jobs than it has threads
CHUNK = 1 << 18
Message = dict[str, Any]
Result = tuple[int, str]


class HandlerProcess:
    """One process that runs handlers, `threads` jobs at a time, in the order in which they were sent.

    `outstanding` has the jobs that were sent and have no outcome yet, by permit, in that order.
    """

    def __init__(self, handlers: Path, *, queue: str, max_batch: int, threads: int, max_bytes: int) -> None:
        """Start the process; it sends `ready` or `broken` when it has loaded the file `handlers`. Raises OSError.

        Results longer than `max_bytes` fail their attempts. The process gets none of the service's secrets.
        """
        self._permits_out: int | None
        self._process, self._socket, self._permits_in, self._permits_out = _started(
            handlers, threads=threads, max_bytes=max_bytes
        )
        self._queue = queue
        self._unsent = bytearray()
        self._unwritten = bytearray()  # the permits for which the pipe had no room
        self._unread: list[bytes] = []  # the pieces of an incomplete line
        self._max_batch, self._threads = max(max_batch, threads), threads
        self._permit = 0
        self._busy_since = self._taken_back_at = 0.0
        self._ends_at: dict[int, float] = {}  # by permit: when the job exceeds its timeout, if it has one
        self._pace_s = 0.0  # the recent mean time of a job
        self.outstanding: dict[int, ClaimedJob] = {}
        self._bytes = 0  # about the length of the data of `outstanding`
        self.window = threads  # jobs that may be sent at a time
        self._ahead = 0  # jobs that may be prefetched besides, because they will run within MOMENT_S
        self.has_answered = False
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
        """Whether there are bytes to send."""
        return bool(self._unsent)

    @property
    def running(self) -> int:
        """How many of its jobs run; the others wait behind them."""
        return min(self._threads, len(self.outstanding))

    @property
    def free_slots(self) -> int:
        """How many jobs to claim for it now: none before half of its window is done, none behind slow or long ones."""
        if not self.ready or self.stopping:
            return 0
        held = len(self.outstanding)
        if held > self._half or self._bytes > WINDOW_BYTES or self.is_slow:
            return max(0, self._threads - held)
        return min(self.window, self.window + self._ahead - held)

    @property
    def overflow(self) -> int:
        """How many jobs that were claimed already may be sent to it, though its pace has changed since the claim."""
        if not self.ready or self.stopping or self.is_slow:
            return 0
        return max(0, 2 * self._max_batch - len(self.outstanding))

    @property
    def _half(self) -> int:
        return (self.window + self._ahead) // 2

    @property
    def slow_at(self) -> float | None:
        """When to take back the jobs that wait behind the running ones, by time.monotonic(); None if none wait."""
        waiting = len(self.outstanding) - self._threads
        if waiting < 1 or self.stopping:
            return None
        return max(self._busy_since, self._taken_back_at) + 2 * BATCH_S

    @property
    def is_slow(self) -> bool:
        """Whether the running jobs take longer than a batch should."""
        return bool(self.outstanding) and time.monotonic() >= self._busy_since + 2 * BATCH_S

    @property
    def ends_at(self) -> float | None:
        """When the first of its jobs exceeds its timeout, by time.monotonic(); None if none has one."""
        return min(self._ends_at.values(), default=None)

    def late(self) -> list[int]:
        """Return the permits of the jobs that have exceeded their timeouts."""
        now = time.monotonic()
        return [permit for permit, ends_at in self._ends_at.items() if now >= ends_at]

    @property
    def busy_s(self) -> float:
        """The estimated seconds until it has room."""
        return (len(self.outstanding) - max(self._threads, self._half)) * self._pace_s

    @property
    def runs_quick_jobs(self) -> bool:
        """Whether it runs jobs so quick that some are expected to end within a ms."""
        return bool(self.outstanding) and 0 < self._pace_s < BRISK_S

    def give(self, jobs: list[ClaimedJob]) -> None:
        """Send jobs to it. Never blocks."""
        if not self.outstanding:
            self._busy_since = time.monotonic()
        given = dict(enumerate(jobs, start=self._permit))
        self._permit += len(given)
        self.outstanding |= given
        self._bytes += sum(len(job.data) for job in jobs)
        self._ends_at |= {n: time.monotonic() + job.timeout_ms / 1000 for n, job in given.items() if job.timeout_ms}
        messages = [_message(job, permit) for permit, job in given.items()]
        self._unsent += orjson.dumps({"queue": self._queue, "jobs": messages}) + b"\n"
        self._unwritten += b"".join(permit.to_bytes(PERMIT_BYTES) for permit in given)
        self.flush()

    def take_back(self) -> list[ClaimedJob]:
        """Take back the jobs that have not begun; the process can no longer begin them."""
        self._taken_back_at = time.monotonic()
        unread = b""
        with contextlib.suppress(BlockingIOError):
            while permits := os.read(self._permits_in, 1 << 16):
                unread += permits
        unread += self._unwritten
        self._unwritten.clear()
        numbers = (int.from_bytes(unread[at : at + PERMIT_BYTES]) for at in range(0, len(unread), PERMIT_BYTES))
        return [job for number in numbers if (job := self.pop_outstanding(number))]

    def cancel(self, permits: list[int]) -> None:
        """Set `cancelled` for the handlers of these jobs. Never blocks."""
        self._unsent += orjson.dumps({"cancel": permits}) + b"\n"
        self.flush()

    def stop(self) -> list[ClaimedJob]:
        """Have it exit after its running jobs; return the jobs that it will not begin."""
        self.stopping = True
        left = self.take_back()
        self._close_permits()
        return left

    def kill(self) -> None:
        """Kill it and its process group."""
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def flush(self) -> None:
        """Send as many pending bytes as the socket takes, and as many permits as the pipe takes. Never blocks.

        A full pipe need not be waited for: its process says something after each permit that it takes.
        """
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # it is dead or dying, which `ended` will return
        with contextlib.suppress(BlockingIOError):
            while self._unwritten and self._permits_out is not None:
                del self._unwritten[: os.write(self._permits_out, self._unwritten[:PIECE])]

    def receive(self) -> list[Result | Message]:
        """Return what was received: results by their permits, and messages. Never blocks.

        Invalid data ends the process.
        """
        lines: list[bytes] = []
        with contextlib.suppress(OSError):  # nothing more for now, or closed
            while chunk := self._socket.recv(CHUNK):
                if b"\n" in chunk:  # joined once, however long the line is
                    *ended, rest = b"".join([*self._unread, chunk]).split(b"\n")
                    lines += ended
                    self._unread = [rest]
                else:
                    self._unread.append(chunk)
                if len(chunk) < CHUNK:
                    break
        said: list[Result | Message] = []
        try:
            said.extend(_said(line) for line in lines)
        except ValueError:
            self._process.kill()
        return said

    def pop_outstanding(self, permit: int) -> ClaimedJob | None:
        """Remove the job of an outcome from `outstanding` and return it; None if it was not there."""
        if self._ends_at:
            self._ends_at.pop(permit, None)
        job = self.outstanding.pop(permit, None)
        if job:
            self._bytes -= len(job.data)
        return job

    def resize_window(self, answered: int) -> None:
        """Adapt the window to the pace: `answered` jobs ended in the time since the last outcomes."""
        now = time.monotonic()
        self._pace_s = max(now - self._busy_since, 1e-6) / answered
        self._busy_since = now
        self.has_answered = True
        self.window = max(self._threads, min(self._max_batch, self.window * 2, int(BATCH_S / self._pace_s)))
        self._ahead = min(self.window, int(MOMENT_S / self._pace_s))

    def ended(self) -> int | None:
        """Return the exit code if the process has exited, negative for a signal; None while it runs."""
        return self._process.poll()

    def close(self) -> None:
        """Close the descriptors of a process that has exited, and kill what is left of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._socket.close()
        os.close(self._permits_in)
        self._close_permits()

    def _close_permits(self) -> None:
        if self._permits_out is not None:
            os.close(self._permits_out)
        self._permits_out = None


def _started(
    handlers: Path, *, threads: int, max_bytes: int
) -> tuple[subprocess.Popen[bytes], socket.socket, int, int]:
    """Start a process; return it with our end of its socket and both ends of the pipe of its permits."""
    with contextlib.ExitStack() as undone:
        ours, theirs = (undone.enter_context(end) for end in socket.socketpair())
        permits_in, permits_out = os.pipe()
        undone.callback(os.close, permits_in)
        undone.callback(os.close, permits_out)
        shared = (theirs.fileno(), permits_in)
        argv = ["rowline.child", *map(str, (*shared, threads, max_bytes)), str(handlers)]
        process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            [sys.executable, "-P", "-m", *argv],
            env=settings.without_secrets(os.environ),
            pass_fds=shared,
            start_new_session=True,
        )
        undone.pop_all()
    theirs.close()
    ours.setblocking(False)
    os.set_blocking(permits_in, False)
    os.set_blocking(permits_out, False)
    return process, ours, permits_in, permits_out


def unreadable(jobs: Iterable[ClaimedJob]) -> dict[ClaimedJob, str]:
    """Return the jobs whose JSON this Python cannot parse, with the causes; the API rejects such JSON."""
    found = {}
    for job in jobs:
        try:
            json.loads(f'[[{{"data": {job.data}, "opts": {job.opts}}}]]')  # as deep as in what is sent
        except (ValueError, RecursionError) as error:
            found[job] = f"the job's data cannot be read: {error}"
    return found


def _message(job: ClaimedJob, permit: int) -> tuple[object, ...]:
    """Return a job as `rowline.child` reads it: its permit and the fields of `FIELDS` there, without the queue."""
    (_number, token), job_id, name, data, opts, *rest, _timeout_ms, _stalled_count = job
    return (permit, job_id, name, _one_line(data), _one_line(opts), *rest, token)


def _said(line: bytes) -> Result | Message:
    """Parse a line: a permit and a result, or a message. Raises ValueError for anything else."""
    if not line.startswith(b"{"):
        permit, _, result = line.partition(b" ")
        return int(permit), result.decode("ascii")
    message: Message = json.loads(line)  # the standard library's parser accepts lone surrogates
    return message


def _one_line(text: str) -> orjson.Fragment:
    """Put JSON text on one line: line breaks in it can only be white space."""
    return orjson.Fragment(text.replace("\n", " "))
