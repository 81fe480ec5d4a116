"""The Python worker: claims jobs, has handler processes run them, and settles what came of it.

This process holds the leases and never runs user code: a handler that hogs its interpreter, or kills it, delays no
heartbeat and costs no other job. One thread does the work, waiting in `poll`; another sends the heartbeats. It goes
on while the source is asked and told (`source_io`).
"""

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from app.domain.attempts import CANCELLED_REASON
from app.domain.job import Taken
from app.infra.settings import Settings
from app.runners import leases
from app.runners.completer import Completer
from app.runners.handlers import MOMENT_S, HandlerProcess, Message, Result, unreadable
from app.runners.leases import Held
from app.runners.source_io import SourceIO
from app.runners.sources import Source
from app.runners.unhandled import Unhandled

_log = logging.getLogger(__name__)
BATCHING_S = (
    0.0003  # for which the outcomes of quick jobs gather unseen: a wake-up for each would cost more than the job
)
CLAIM_BATCHING_MS = 1  # for which they do while the source is asked: before its answer nothing follows from them
CONFINE_S = 0.05  # how often to look for a process for a suspect, while one waits
REST_S = 0.1  # how often a worker that has ended all asks whether its source is at rest
FIRST_RESTART_S = 0.02  # doubled at each handler process in a row that dies before it has done anything
SLOWEST_RESTART_S = 5.0
WAKE = b"\xff"  # no signal's number


def name() -> str:
    """Return what this worker is called on the jobs that it works."""
    return f"{socket.gethostname()}:{os.getpid()}"


class HandlersBroken(Exception):
    """The handlers file could not be loaded when the worker started; the message is its traceback."""


class Worker:
    """One worker on one queue. `run()` it in the main thread: it takes SIGTERM and SIGINT."""

    def __init__(self, settings: Settings, source: Source, *, queue: str, handlers: Path) -> None:
        """Prepare; nothing is started."""
        self._settings, self._source, self._queue, self._handlers = settings, source, queue, handlers
        self._held = Held(source, queue=queue)
        self._completer = Completer(settings, source, self._held)
        self._source_io = SourceIO(settings, source, self._completer, queue=queue, take=self._take)
        self._unhandled = Unhandled(queue=queue, patience_ms=settings.unhandled_ms)
        self._processes: list[HandlerProcess] = []
        self._quarantined: deque[Taken] = deque()  # claimed jobs, one of which may have killed a process
        self._isolated: list[HandlerProcess] = []  # those of the processes that run quarantined jobs, one at a time
        self._stopped: deque[str] = deque()  # tokens of attempts that need not go on; written by the heartbeat
        self._was_ready = False
        self._broken_starts = 0
        self._start_at = 0.0  # when a missing process may be started, by time.monotonic()
        self._stop_by: float | None = None  # set by the first signal: when the drain ends
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)

    def run(self) -> None:
        """Work until told to stop, then drain. Raises HandlersBroken."""
        _log.info("worker_started", extra={"queue": self._queue, "worker": name()})
        heartbeat = leases.heartbeat(self._settings, self._beat)
        with self._signals():
            heartbeat.start()
            self._source.start(self._ring)
            try:
                while not self._finished():
                    self._wait()
                    self._drain()
                    self._receive()
                    self._cancel()
                    self._enforce()
                    self._reclaim_blocked()
                    self._reap()
                    self._spawn_missing()
                    self._isolate()
                    self._talk()
            finally:
                for process in self._processes:
                    process.kill()
                heartbeat.stop()
        _log.info("worker_stopped", extra={"queue": self._queue, "worker": name()})

    def _ring(self) -> None:
        """Look for jobs soon. Called by the listener's thread."""
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._bell.send(WAKE)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT drain, and have every signal, a process's death too, end the wait in select."""
        taken = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        before = [signal.signal(signal.SIGTERM, self._stop), signal.signal(signal.SIGINT, self._stop)]
        before.append(signal.signal(signal.SIGCHLD, lambda *_: None))
        wakeup = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in zip(taken, before, strict=True):
                signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        """Drain at the first signal; at the second, hand back at once what runs.

        Only notes it: a signal may come between any two steps of the loop.
        """
        again = self._stop_by is not None
        self._stop_by = time.monotonic() + (0 if again else self._settings.drain_ms / 1000)

    def _drain(self) -> None:
        """Once told to stop, let each process end after its job; when the time is up, end it."""
        if self._stop_by is None:
            return
        self._source.stop()
        self._completer.release(self._quarantined)
        self._quarantined.clear()
        late = time.monotonic() >= self._stop_by
        for process in self._processes:
            if late:
                process.kill()
            elif not process.stopping:
                self._completer.release(process.stop())

    def _finished(self) -> bool:
        if self._stop_by is None:
            return False
        told = not self._completer and self._source_io.is_silent
        is_late = time.monotonic() > self._stop_by + self._settings.lease_ms / 1000
        return not self._processes and (told or is_late) and self._source.is_at_rest

    def _wait(self) -> None:
        is_batching = self._source_io.is_claiming and any(process.is_brisk for process in self._processes)
        if not self._source_io.is_claiming and any(
            BATCHING_S < process.busy_s < MOMENT_S for process in self._processes
        ):
            time.sleep(BATCHING_S)
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        for descriptor, events in self._source_io.waits():
            poll.register(descriptor, events)
        for process in self._processes:
            sends = select.POLLOUT if process.wants_to_send else 0
            reads = 0 if is_batching or self._completer.is_full else select.POLLIN
            if reads | sends:
                poll.register(process, reads | sends)
        wait_ms = max(0.0, self._next_at() - time.monotonic()) * 1000
        ready = dict(poll.poll(min(CLAIM_BATCHING_MS, wait_ms) if is_batching else wait_ms))
        if self._ear.fileno() in ready and WAKE in self._ear.recv(4096):
            self._source_io.ring()
        self._source_io.go_on(ready)

    def _next_at(self) -> float:
        """Return when something is to be done though nothing happens."""
        moments = [time.monotonic() + 60.0, self._source_io.next_at(self._room())]
        moments += [process.slow_at for process in self._processes if process.slow_at is not None]
        moments += [process.ends_at for process in self._processes if process.ends_at is not None]
        if self._stop_by is not None:
            moments.append(self._stop_by if self._processes else time.monotonic() + REST_S)
            return min(moments)
        if self._lacks_processes:
            moments.append(self._start_at)
        if self._quarantined:
            moments.append(time.monotonic() + CONFINE_S)
        return min(moments)

    def _receive(self) -> None:
        for process in self._processes:
            process.flush()
            if self._completer.is_full:
                continue  # its socket fills, and its handlers wait
            answered = 0
            for said in process.receive():
                answered += self._hear(process, said)
            if answered:
                self._broken_starts = 0
                process.adapt(answered)

    def _hear(self, process: HandlerProcess, said: Result | Message) -> bool:
        """Note what a process said; tell whether it was an outcome."""
        if isinstance(said, tuple):
            permit, result = said
            if job := process.answered(permit):
                self._completer.complete(job, result)
            return job is not None
        if "ready" in said:
            process.ready = self._was_ready = True
        elif "broken" in said:
            process.broken = said["broken"]
        elif "log" in said or "progress" in said or "refused" in said:
            if job := process.outstanding.get(said["permit"]):
                self._completer.report(job, said)
        elif job := process.answered(said["permit"]):
            cause = said.get("unhandled")
            self._completer.add(job, self._unhandled.judge(job, cause) if cause else said)
            return True
        return False

    def _beat(self) -> None:
        """Renew the leases, and note which attempts need not go on. Called by the heartbeat's thread."""
        if stopped := self._held.beat():
            self._stopped.extend(stopped)
            self._ring()

    def _cancel(self) -> None:
        """Tell the handlers whose jobs are cancelled, or lost, that they may stop."""
        stopped = set()
        while self._stopped:
            stopped.add(self._stopped.popleft())
        for process in self._processes if stopped else []:
            if permits := [permit for permit, job in process.outstanding.items() if job.key.token in stopped]:
                process.cancel(permits)
        for job in [job for job in self._quarantined if job.key.token in stopped]:
            self._quarantined.remove(job)
            self._completer.add(job, {"reason": CANCELLED_REASON, "stack": None, "unrecoverable": True})

    def _enforce(self) -> None:
        """End the processes whose jobs run for too long; a job that has not begun goes back unharmed."""
        now = time.monotonic()
        for process in self._processes:
            if process.ends_at is None or now < process.ends_at:
                continue
            self._completer.release(process.take_back())
            late = [job for permit in process.late() if (job := process.answered(permit))]
            for job in late:
                self._completer.time_out(job)
                _log.warning("handler_timed_out", extra={"pid": process.pid, "queue": self._queue, "job": job.id})
            if late:
                process.kill()

    def _reclaim_blocked(self) -> None:
        """Take back the jobs that wait behind a slow one: another process, or another worker, may begin them now."""
        now = time.monotonic()
        for process in self._processes:
            if process.slow_at is not None and now >= process.slow_at:
                self._completer.release(process.take_back())

    def _reap(self) -> None:
        """See to the processes that ended."""
        for process in list(self._processes):
            code = process.ended()
            if code is None:
                continue
            self._receive()  # what it said before it ended
            self._processes.remove(process)
            if process in self._isolated:
                self._isolated.remove(process)
            self._requeue(process)
            process.close()
            if not process.stopping:
                _log.warning("handler_process_died", extra={"pid": process.pid, "code": code})
                if process.ready:
                    self._slow_down(process)
                else:
                    self._refuse(process.broken or f"the process ended with code {code} while it loaded the file")

    def _requeue(self, process: HandlerProcess) -> None:
        """Put back the jobs of a process that ended: what had begun has stalled, unless we ended it ourselves.

        If there is a job among them that cannot be read, the process ended for that, and it alone has failed.
        """
        waiting, begun = process.take_back(), list(process.outstanding.values())
        unread = {} if process.stopping else unreadable([*waiting, *begun])
        for job, cause in unread.items():
            self._completer.add(job, {"reason": cause, "stack": None, "unrecoverable": True})
        self._completer.release([job for job in waiting if job not in unread])
        begun = [job for job in begun if job not in unread]
        if process.stopping or unread:
            self._completer.release(begun)
        else:
            self._completer.give_up(begun)

    def _refuse(self, broken: str) -> None:
        """Give up at the start on a file that cannot be loaded; later, when it broke under us, try again."""
        if not self._was_ready:
            raise HandlersBroken(broken)
        self._wait_to_start()
        _log.error("handlers_broken", extra={"handlers": str(self._handlers), "cause": broken})

    def _slow_down(self, process: HandlerProcess) -> None:
        """After a process that died before it had done anything, wait longer and longer with the next."""
        if not process.has_answered:
            self._wait_to_start()

    def _wait_to_start(self) -> None:
        self._broken_starts += 1
        self._start_at = time.monotonic() + min(SLOWEST_RESTART_S, FIRST_RESTART_S * 2**self._broken_starts)

    def _spawn_missing(self) -> None:
        """Start the processes that are missing."""
        if self._stop_by is not None or time.monotonic() < self._start_at:
            return
        try:
            while self._lacks_processes:
                self._processes.append(self._process(threads=self._settings.worker_threads))
            if self._quarantined and self._lacks_isolated:
                self._isolated.append(self._process(threads=1))
                self._processes.append(self._isolated[-1])
        except OSError as error:
            self._start_at = time.monotonic() + SLOWEST_RESTART_S
            _log.error("handlers_not_started", extra={"cause": str(error)})

    @property
    def _lacks_processes(self) -> bool:
        return len(self._processes) - len(self._isolated) < self._settings.worker_processes

    @property
    def _lacks_isolated(self) -> bool:
        return (
            all(process.is_slow for process in self._isolated) and len(self._isolated) < self._settings.worker_threads
        )

    def _process(self, *, threads: int) -> HandlerProcess:
        most = {"max_batch": self._settings.max_batch, "max_bytes": self._settings.max_data_bytes}
        return HandlerProcess(self._handlers, queue=self._queue, threads=threads, **most)

    def _isolate(self) -> None:
        """Run quarantined jobs one by one, each alone in a process: one that kills it costs no other job its lease."""
        for process in self._isolated:
            if not process.room or process.outstanding:
                continue
            if self._quarantined:
                process.give([self._quarantined.popleft()])
            else:
                process.stop()

    def _room(self) -> int:
        """How many jobs more there is room for."""
        if self._stop_by is not None:
            return 0
        room = sum(process.room for process in self._processes if process not in self._isolated)
        return max(0, room - len(self._quarantined))

    def _talk(self) -> None:
        """Tell what came of jobs, and claim what the processes have room for."""
        is_busy = self._stop_by is None and any(0 < process.busy_s < MOMENT_S for process in self._processes)
        self._source_io.begin(self._room(), more_soon=is_busy)

    def _take(self, jobs: list[Taken]) -> None:
        """Keep what a claim has brought, and hand it out."""
        self._held.add(jobs)
        self._hand_out(jobs)

    def _hand_out(self, jobs: list[Taken]) -> None:
        """Give the jobs to the processes, to each as many as fit, first to the one that holds least.

        One that has stalled before is a suspect where jobs share processes: it would take those beside it with it.
        """
        if self._settings.worker_threads > 1 and self._stop_by is None:
            self._quarantined += [job for job in jobs if job.stalled_count]
            jobs = [job for job in jobs if not job.stalled_count]
        by_load = sorted(self._processes, key=lambda process: len(process.outstanding))
        takers = [process for process in by_load if process not in self._isolated]
        for process in takers:
            jobs = self._give(process, jobs, process.room)
        for process in takers:
            jobs = self._give(process, jobs, process.leeway)
        self._completer.release(jobs)  # a signal, a death or a slow job came between the claim and here

    @staticmethod
    def _give(process: HandlerProcess, jobs: list[Taken], most: int) -> list[Taken]:
        """Give a process the first jobs; return the rest."""
        if most and jobs:
            process.give(jobs[:most])
        return jobs[most:]
