"""A handler process: runs the user's code, and nothing of the service.

The worker starts it with a socket and a pipe. From the socket it reads lines of JSON: `{"queue": name, "jobs": [...]}`
with an array for each job, and `{"cancel": [permits]}`. It writes `{"ready": [names], "schedules": {id: body}}` or
`{"broken": traceback}` once, then a line for each progress update, log line and outcome, at once: `PERMIT RESULT` for a
completed job, else JSON.
From the pipe it reads permits, the numbers of the jobs. A job begins only when its permit was read here, so the worker
can take a job back by reading the permit itself, however busy this process is, and knows which jobs had begun when this
process died. At the end of the pipe this process exits after its jobs; at the end of the socket the worker is gone, and
this process exits at once.

The user's file may patch the standard library (gevent, eventlet). Code that runs here after it was loaded waits by
functions that were imported before: the interpreter's own threads and locks, not `threading`, which looks up its parts.
"""

import contextlib
import importlib.util
import json
import os
import socket
import sys
import traceback
from _thread import LockType, allocate_lock, start_new_thread
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from os import read
from pathlib import Path
from select import select
from time import sleep
from types import ModuleType
from typing import Any

from rowline import handlers, tracing
from rowline.job import Attempt, Job, Release, RetryIn, whole_ms

PERMIT_BYTES = 8
Message = dict[str, Any]
LEFT_S = 1.0  # how long the exit waits for what handlers have left: threads, processes, atexit functions
REASON_MAX, STACK_MAX = 10_000, 50_000  # characters kept, as in app/domain/attempts.py; the rest is not sent
LONGEST_MS = 2**53  # the longest delay that is sent; the worker has a limit of its own
FIELDS = ("queue", "id", "name", "data", "opts", "priority", "attempt", "timestamp", "token")
Fields = list[Any]  # the values of FIELDS of one job
_sending = allocate_lock()
_json = json.JSONEncoder(allow_nan=False).encode


def main(descriptor: str, permits: str, threads: str, max_bytes: str, path: str) -> None:
    """Load the handlers file `path`, then run the permitted jobs, `threads` at a time.

    A result longer than `max_bytes` is a failure and is not sent. The arguments are strings of the command line.
    """
    worker = socket.socket(fileno=int(descriptor))
    lines = worker.makefile("rb")
    try:
        load(Path(path).absolute())
    except BaseException as error:  # noqa: BLE001 - the user's file may raise anything: report it and exit
        _send(worker, {"broken": _failure(error)["stack"]})
        sys.exit(1)
    _send(worker, {"ready": handlers.names(), "schedules": handlers.schedules})
    inbox = Inbox(max_bytes=int(max_bytes))
    start_new_thread(_receive, (lines, inbox))
    turn = allocate_lock()
    work = (worker, int(permits), inbox, turn)
    ends = [allocate_lock() for _ in range(int(threads) - 1)]
    with turn:  # no handler runs before all threads have started
        for end in ends:
            end.acquire()
            start_new_thread(_work_or_end, (*work, end.release))
            end.acquire()  # one thread after the other
        _make_loop()
    _work_or_end(*work)
    for end in ends:
        end.acquire()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    start_new_thread(_end_soon, ())  # since the interpreter's own exit waits without a limit


def _end_soon() -> None:
    sleep(LEFT_S)
    os._exit(0)


def _work_or_end(
    worker: socket.socket, permits: int, inbox: "Inbox", turn: LockType, done: Callable[[], None] = lambda: None
) -> None:
    """Work until the pipe ends. Any exception ends the process: otherwise the outcome of its job would be missing.

    `done` is called when the thread has started, and when it ends.
    """
    try:
        _make_loop()
        done()
        _work(worker, permits, inbox, turn)
    except BaseException:  # noqa: BLE001 - the process cannot go on without one of its threads
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        os._exit(1)
    done()


def _make_loop() -> None:
    """Create gevent's hub of this thread, if the user's file has loaded gevent.

    Threads that create theirs at the same time can deadlock in each other's imports.
    """
    if gevent := sys.modules.get("gevent"):
        gevent.get_hub()


def _work(worker: socket.socket, permits: int, inbox: "Inbox", turn: LockType) -> None:
    """Run one job after the other until the pipe ends."""
    own_pid = os.getpid()
    while True:
        with turn:  # permit and job are taken in one step, so that the inbox can drop the jobs before it
            permit = _next_permit(permits)
            if not permit:
                return
            number = int.from_bytes(permit)
            fields, attempt = inbox.take(number)

        def send(said: Message, number: int = number) -> None:
            _send(worker, {"permit": number} | said)

        attempt.send = send
        outcome = run(fields, attempt)
        inbox.forget(number)
        if os.getpid() != own_pid:
            os._exit(1)  # the handler forked, and this is the child
        if isinstance(outcome, str):
            _write(worker, f"{number} {outcome}\n".encode("ascii"))
        else:
            send(outcome)


def _next_permit(permits: int) -> bytes:
    """Wait for the next permit, which the worker may take back at any moment; return b"" at the end of the pipe."""
    while True:
        try:
            return read(permits, PERMIT_BYTES)
        except BlockingIOError:
            select([permits], [], [])


class Inbox:
    """The received jobs, by the numbers of their permits."""

    def __init__(self, *, max_bytes: int = sys.maxsize) -> None:
        self._max_bytes = max_bytes
        self._jobs: dict[int, Fields] = {}
        self._cancelled: set[int] = set()
        self._attempts: dict[int, Attempt] = {}
        self._lock, self._came = allocate_lock(), allocate_lock()
        self._came.acquire()  # released when jobs are received

    def put(self, queue: str, jobs: list[Fields]) -> None:
        """Add received jobs, in the order of their permits. Called by one thread only."""
        with self._lock:
            self._jobs |= {permit: [queue, *fields] for permit, *fields in jobs}
            if self._came.locked():
                self._came.release()

    def cancel(self, permits: list[int]) -> None:
        """Set `cancelled` for the handlers of these jobs."""
        with self._lock:
            for permit in permits:
                if attempt := self._attempts.get(permit):
                    attempt.is_cancelled = True
                elif permit in self._jobs:
                    self._cancelled.add(permit)

    def take(self, permit: int) -> tuple[Fields, Attempt]:
        """Wait for the job of a permit, and drop the jobs before it, whose permits were taken back.

        Called by one thread at a time.
        """
        while permit not in self._jobs:
            self._came.acquire()
        with self._lock:
            while (first := next(iter(self._jobs))) != permit:
                del self._jobs[first]
                self._cancelled.discard(first)
            attempt = self._attempts[permit] = Attempt(
                is_cancelled=permit in self._cancelled, max_bytes=self._max_bytes
            )
            return self._jobs.pop(permit), attempt

    def forget(self, permit: int) -> None:
        """Remove a job that has run."""
        with self._lock:
            del self._attempts[permit]
            self._cancelled.discard(permit)


class _Once:
    """An import hook that returns the loaded module of the handlers file, whatever name it is imported by.

    Modules that it imports may import it, for example as `jobs.handlers`. Loaded twice it would register all twice.
    """

    def __init__(self, module: ModuleType, path: Path) -> None:
        self._module, self._spec, self._path = module, module.__spec__, path

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.rpartition(".")[2] != self._path.stem:
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is None or not found.origin or Path(found.origin).resolve() != self._path.resolve():
            return None
        return importlib.util.spec_from_loader(name, self)  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has replaced it


def load(path: Path) -> None:
    """Import the user's file, which can import modules from its own folder and from the working directory."""
    sys.path[:0] = list(dict.fromkeys([str(path.parent), str(Path.cwd())]))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.meta_path.insert(0, _Once(module, path))
    spec.loader.exec_module(module)
    if not handlers.names():
        raise ImportError(f"{path} registers no handler: decorate a function with @rowline.handler('name')")


def run(fields: Fields, attempt: Attempt) -> str | Message:
    """Run the handler of one job; return its result as JSON in ASCII, or a message with another outcome."""
    if attempt.is_cancelled:
        return {"reason": "job cancelled", "stack": None, "unrecoverable": True}
    try:
        job = Job(**dict(zip(FIELDS, fields, strict=True)), _attempt=attempt)
        handle = handlers.find(job.name)
        if tracing.LOADED in sys.modules:
            with tracing.Processing(job):
                result = handle(job)
        else:
            result = handle(job)
    except handlers.NobodyHandles as error:
        return {"unhandled": str(error)[:REASON_MAX]}
    except (Release, RetryIn) as asked:
        return _released(asked) if isinstance(asked, Release) else _retried(asked)
    except BaseException as error:  # noqa: BLE001 - the handler boundary: any exception of user code is a failure
        return _failure(error)
    try:
        text = _json(result)
    except BaseException as error:  # noqa: BLE001 - user code too: methods of the returned object
        return _unfit(f"is not a JSON value: {_words(error)}")
    return text if len(text) <= attempt.max_bytes else _too_large(text, attempt.max_bytes)


def _unfit(why: str) -> Message:
    return {"reason": f"the handler's result {why}"[:REASON_MAX], "stack": None, "unrecoverable": False}


def _too_large(text: str, limit: int) -> Message:
    return _unfit(f"must be at most {limit} bytes, not {len(text)}")


def _words(error: BaseException) -> str:
    return _first_working(lambda: str(error), lambda: type(error).__qualname__)


def _released(release: Release) -> Message:
    try:
        return {"release": min(LONGEST_MS, whole_ms(release.delay_ms))}
    except BaseException as error:  # noqa: BLE001 - it may be a subclass of the user's
        return _failure(error)


def _retried(retry: RetryIn) -> Message:
    try:
        chosen = {"reason": str(retry)[:REASON_MAX], "delay": min(LONGEST_MS, whole_ms(retry.delay_ms))}
    except BaseException as error:  # noqa: BLE001 - as above
        return _failure(error)
    return _failure(retry) | chosen


def _failure(error: BaseException) -> Message:
    """Describe the exception that is being handled, as far as possible: each of its methods may raise."""
    kind, trace = type(error), sys.exc_info()[2]
    own_frame_skipped = trace and trace.tb_next
    reason = _first_working(
        lambda: "".join(traceback.format_exception_only(error)).strip(),
        lambda: f"{kind.__qualname__}: {error!s}",
        lambda: kind.__qualname__,
    )[:REASON_MAX]
    stack = _first_working(
        lambda: "".join(traceback.format_exception(kind, error, own_frame_skipped)),
        lambda: "".join([*traceback.format_tb(own_frame_skipped), reason, "\n"]),
        lambda: reason,
    )[-STACK_MAX:]
    return {"reason": reason, "stack": stack, "unrecoverable": issubclass(kind, handlers.UnrecoverableError)}


def _first_working(*ways: Callable[[], str]) -> str:
    """Return the result of the first function that does not raise."""
    for way in ways:
        with contextlib.suppress(BaseException):
            return way()
    return "an exception that cannot be formatted"


def _receive(lines: Iterable[bytes], inbox: Inbox) -> None:
    try:
        for line in lines:
            message = json.loads(line)
            if "jobs" in message:
                inbox.put(message["queue"], message["jobs"])
            else:
                inbox.cancel(message["cancel"])
    finally:  # at the end, a reset or invalid data: the worker is gone, and its leases must not be used
        os._exit(0)


def _send(worker: socket.socket, message: Message) -> None:
    _write(worker, json.dumps(message).encode() + b"\n")


def _write(worker: socket.socket, line: bytes) -> None:
    with _sending:
        worker.sendall(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
