"""The Python worker: claims jobs, runs them in handler processes, and settles the attempts.

This process holds the leases and never runs user code: a handler that blocks or kills its interpreter delays no
heartbeat and costs no other job. One thread runs the loop, waiting in `poll`; another sends the heartbeats. The loop
goes on while calls to the source are running (`source_io`).
"""

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from app.domain.attempts import CANCELLED_REASON
from app.domain.job import ClaimedJob
from app.domain.workers import PUSH, Sighting, Way
from app.infra.settings import Settings
from app.worker import heartbeats
from app.worker.completer import Completer
from app.worker.handlers import MOMENT_S, HandlerProcess, Message, Result, unreadable
from app.worker.heartbeats import HeldLeases
from app.worker.source_io import SourceIO
from app.worker.sources import Source
from app.worker.unhandled import Unhandled

_log = logging.getLogger(__name__)
BATCHING_S = 0.0003  # how long outcomes of quick jobs accumulate: waking up for each would cost more than the job
CLAIM_BATCHING_MS = 1  # the same while a claim is running: until it returns, outcomes cannot be acted on
ISOLATE_S = 0.05  # how often to look for a process for a quarantined job, while one waits
STOPPED_CHECK_S = 0.1  # how often to check whether the source is stopped, once everything is settled
FIRST_RESTART_S = 0.02  # doubled for each handler process in a row that dies before it has finished a job
SLOWEST_RESTART_S = 5.0
WAKE = b"\xff"  # not the number of a signal
OnReady = Callable[[Message], object]


def name() -> str:
    """Return the name of this worker, which is stored on its jobs. It is none of a dispatcher, whatever the host is."""
    here = f"{socket.gethostname()}:{os.getpid()}"
    return f"worker:{here}" if here.startswith(PUSH) else here


class HandlersBroken(Exception):
    """The handlers file could not be loaded when the worker started; the message is its traceback."""


class Worker:
    """One worker for one queue. `run()` it in the main thread: it handles SIGTERM and SIGINT."""

    def __init__(
        self, settings: Settings, source: Source, *, queue: str, handlers: Path, on_ready: OnReady = lambda _said: None
    ) -> None:
        """Prepare; `run()` starts it. `on_ready` gets what each process says when it has loaded the file `handlers`."""
        self._settings, self._source, self._queue, self._handlers = settings, source, queue, handlers
        self._on_ready, self._lease_s = on_ready, settings.lease_ms / 1000
        self._held = HeldLeases(source, queue=queue)
        self._completer = Completer(settings, source, self._held)
        self._source_io = SourceIO(settings, source, self._completer, queue=queue, take=self._take)
        self._unhandled = Unhandled(queue=queue, patience_ms=settings.unhandled_ms)
        self._processes: list[HandlerProcess] = []
        self._quarantined: deque[ClaimedJob] = deque()  # claimed, stalled before: one of them may kill its process
        self._isolated: list[HandlerProcess] = []  # those of the processes that run quarantined jobs, one at a time
        self._stopped: deque[str] = deque()  # tokens of cancelled or lost attempts; written by the heartbeat
        self._was_ready = False
        self._broken_starts = 0
        self._start_at = 0.0  # when a missing process may be started, by time.monotonic()
        self._leased_until = 0.0  # when the last lease ends if none is extended, by time.monotonic()
        self._stop_by: float | None = None  # set by the first signal: when the drain ends
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)

    def run(self) -> None:
        """Work until a signal stops it, then drain. Raises HandlersBroken."""
        _log.info("worker_started", extra={"queue": self._queue, "worker": name()})
        heartbeat = heartbeats.heartbeat(self._settings, self._beat)
        with self._signals():
            heartbeat.start()
            self._source.start(self._ring)
            try:
                while not self._finished():
                    self._wait()
                    self._drain()
                    self._receive()
                    self._cancel()
                    self._kill_timed_out()
                    self._reclaim_blocked()
                    self._reap()
                    self._spawn_missing()
                    self._isolate()
                    self._exchange()
            finally:
                for process in self._processes:
                    process.kill()
                heartbeat.stop()
        self._held.lose_all()  # those whose outcomes nobody took before they ended
        _log.info("worker_stopped", extra={"queue": self._queue, "worker": name()})

    def sightings(self) -> list[Sighting]:
        """Return this worker: how many jobs run in its handler processes. Called by another thread."""
        slots = self._settings.worker_processes * self._settings.worker_threads
        running = sum(process.running for process in list(self._processes))
        return [Sighting(self._queue, name(), Way.PYTHON, slots=slots, busy=min(slots, running))]

    def _ring(self) -> None:
        """Claim soon. Called by the listener's thread."""
        with contextlib.suppress(BlockingIOError):  # enough bytes are pending to wake the loop
            self._bell.send(WAKE)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Drain at SIGTERM and SIGINT; have every signal, SIGCHLD too, end the wait in `poll`."""
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
        """Drain at the first signal; at the second, release the running jobs at once.

        Only sets when the drain ends: a signal may arrive between any two steps of the loop.
        """
        again = self._stop_by is not None
        self._stop_by = time.monotonic() + (0 if again else self._settings.drain_ms / 1000)

    def _drain(self) -> None:
        """After a signal, let each process exit after its jobs; when the drain ends, kill it."""
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
        is_settled = not self._completer and self._source_io.is_idle
        now = time.monotonic()
        # Once the leases are over no outcome is taken. But a claim that runs may lease jobs, which are to be released.
        is_late = now > self._stop_by + self._lease_s or (now > self._leased_until and not self._source_io.is_claiming)
        return not self._processes and (is_settled or is_late) and self._source.is_stopped

    def _wait(self) -> None:
        is_claiming = self._source_io.is_claiming
        is_batching = is_claiming and any(process.runs_quick_jobs for process in self._processes)
        if not is_claiming and any(BATCHING_S < process.busy_s < MOMENT_S for process in self._processes):
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
            self._source_io.wake()
            if len(ready) == 1:  # nothing else came: the job that may have is claimed before the loop's other steps
                self._exchange()
        self._source_io.go_on(ready)

    def _next_at(self) -> float:
        """Return when to wake up at the latest, by time.monotonic()."""
        moments = [time.monotonic() + 60.0, self._source_io.next_at(self._room())]
        moments += [process.slow_at for process in self._processes if process.slow_at is not None]
        moments += [process.ends_at for process in self._processes if process.ends_at is not None]
        if self._stop_by is not None:
            moments.append(self._stop_by if self._processes else time.monotonic() + STOPPED_CHECK_S)
            return min(moments)
        if self._lacks_processes:
            moments.append(self._start_at)
        if self._quarantined:
            moments.append(time.monotonic() + ISOLATE_S)
        return min(moments)

    def _receive(self) -> None:
        for process in self._processes:
            process.flush()
            if not self._completer.is_full:  # otherwise its socket fills up, which makes its handlers wait
                self._hear(process)

    def _hear(self, process: HandlerProcess) -> None:
        answered = 0
        for said in process.receive():
            answered += self._handle(process, said)
        if answered:
            self._broken_starts = 0
            process.resize_window(answered)

    def _handle(self, process: HandlerProcess, said: Result | Message) -> bool:
        """Handle a message of a process; return whether it was an outcome."""
        if isinstance(said, tuple):
            permit, result = said
            if job := process.pop_outstanding(permit):
                self._completer.complete(job, result)
            return job is not None
        if "ready" in said:
            process.ready = self._was_ready = True
            self._on_ready(said)
        elif "broken" in said:
            process.broken = said["broken"]
        elif "log" in said or "progress" in said or "refused" in said:
            if job := process.outstanding.get(said["permit"]):
                self._completer.add_progress(job, said)
        elif job := process.pop_outstanding(said["permit"]):
            cause = said.get("unhandled")
            self._completer.add(job, self._unhandled.judge(job, cause) if cause else said)
            return True
        return False

    def _beat(self) -> None:
        """Extend the leases, and note which attempts are cancelled or lost. Called by the heartbeat's thread."""
        began_at = time.monotonic()
        stopped = self._held.beat()
        self._leased_until = max(self._leased_until, began_at + self._lease_s)
        if stopped:
            self._stopped.extend(stopped)
            self._ring()

    def _cancel(self) -> None:
        """Notify the handlers whose jobs are cancelled or lost."""
        stopped = set()
        while self._stopped:
            stopped.add(self._stopped.popleft())
        for process in self._processes if stopped else []:
            if permits := [permit for permit, job in process.outstanding.items() if job.key.token in stopped]:
                process.cancel(permits)
        for job in [job for job in self._quarantined if job.key.token in stopped]:
            self._quarantined.remove(job)
            self._completer.add(job, {"reason": CANCELLED_REASON, "stack": None, "unrecoverable": True})

    def _kill_timed_out(self) -> None:
        """Kill the processes whose jobs have exceeded their timeouts; release their jobs that have not begun."""
        now = time.monotonic()
        for process in self._processes:
            if process.ends_at is None or now < process.ends_at:
                continue
            self._completer.release(process.take_back())
            late = [job for permit in process.late() if (job := process.pop_outstanding(permit))]
            for job in late:
                self._completer.time_out(job)
                _log.warning("handler_timed_out", extra={"pid": process.pid, "queue": self._queue, "job": job.id})
            if late:
                process.kill()

    def _reclaim_blocked(self) -> None:
        """Release the jobs that wait behind a slow one, so that another process or worker can begin them."""
        now = time.monotonic()
        for process in self._processes:
            if process.slow_at is not None and now >= process.slow_at:
                self._completer.release(process.take_back())

    def _reap(self) -> None:
        """Handle the processes that have exited."""
        for process in list(self._processes):
            code = process.ended()
            if code is None:
                continue
            self._hear(process)  # its last messages, even if too much waits: they are no more than its socket holds
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
        """Settle the jobs of a process that has exited: those begun have stalled, unless this worker stopped it.

        If the JSON of one of them cannot be parsed, that ended the process: only that job fails.
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
            self._completer.expire(begun)

    def _refuse(self, broken: str) -> None:
        """Handle a file that cannot be loaded: at the start, raise HandlersBroken; later, retry."""
        if not self._was_ready:
            raise HandlersBroken(broken)
        self._wait_to_start()
        _log.error("handlers_broken", extra={"handlers": str(self._handlers), "cause": broken})

    def _slow_down(self, process: HandlerProcess) -> None:
        """After a process that died before it had finished a job, delay the next one, with backoff."""
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
        has_room = len(self._isolated) < self._settings.worker_threads
        return has_room and all(process.is_slow for process in self._isolated)

    def _process(self, *, threads: int) -> HandlerProcess:
        limits = {"max_batch": self._settings.max_batch, "max_bytes": self._settings.max_data_bytes}
        return HandlerProcess(self._handlers, queue=self._queue, threads=threads, **limits)

    def _isolate(self) -> None:
        """Run quarantined jobs one by one, each alone in a process: if one kills it, no other job stalls."""
        for process in self._isolated:
            if not process.free_slots or process.outstanding:
                continue
            if self._quarantined:
                process.give([self._quarantined.popleft()])
            else:
                process.stop()

    def _room(self) -> int:
        """Return how many more jobs the processes have room for."""
        if self._stop_by is not None:
            return 0
        room = sum(process.free_slots for process in self._processes if process not in self._isolated)
        return max(0, room - len(self._quarantined))

    def _exchange(self) -> None:
        """Settle outcomes, and claim as many jobs as the processes have room for."""
        is_busy = self._stop_by is None and any(0 < process.busy_s < MOMENT_S for process in self._processes)
        self._source_io.begin(self._room(), more_soon=is_busy)

    def _take(self, jobs: list[ClaimedJob]) -> None:
        """Add the jobs of a claim to the leases held, and send them to processes."""
        self._held.add(jobs)
        self._leased_until = max(self._leased_until, time.monotonic() + self._lease_s)
        self._hand_out(jobs)

    def _hand_out(self, jobs: list[ClaimedJob]) -> None:
        """Send the jobs to the processes, to each as many as fit, first to the one with the fewest.

        With several threads, jobs that have stalled before are quarantined: they could stall others of their process.
        """
        if self._settings.worker_threads > 1 and self._stop_by is None:
            self._quarantined += [job for job in jobs if job.stalled_count]
            jobs = [job for job in jobs if not job.stalled_count]
        by_load = sorted(self._processes, key=lambda process: len(process.outstanding))
        takers = [process for process in by_load if process not in self._isolated]
        for process in takers:
            jobs = self._give(process, jobs, process.free_slots)
        for process in takers:
            jobs = self._give(process, jobs, process.overflow)
        self._completer.release(jobs)  # room was lost since the claim: by a signal, a death or a slow job

    @staticmethod
    def _give(process: HandlerProcess, jobs: list[ClaimedJob], count: int) -> list[ClaimedJob]:
        """Send the first `count` jobs to a process; return the rest."""
        if count and jobs:
            process.give(jobs[:count])
        return jobs[count:]
