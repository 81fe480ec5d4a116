"""A handler process: runs the user's code, and nothing of the service.

The worker starts it with a socket. Each line on it is a JSON object: in, `{"jobs": [...]}` or `{"stop": true}`; out,
`{"ready": [names]}` or `{"broken": traceback}` once, then one line a finished job, written at once, so that whoever
finds this process dead knows which job killed it. When the worker is gone, this process goes too.
"""

import importlib.util
import json
import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rowline import handlers
from rowline.job import Job

Message = dict[str, Any]


def main(descriptor: str, path: str) -> None:
    """Load the handlers in the file `path`, then run what comes in over the socket `descriptor` until told to stop."""
    worker = socket.socket(fileno=int(descriptor))
    try:
        load(Path(path).absolute())
    except BaseException:  # noqa: BLE001 - the user's file may do anything: whatever it raises is told, and ends this process
        _send(worker, {"broken": traceback.format_exc()})
        sys.exit(1)
    _send(worker, {"ready": handlers.names()})
    inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    stopping = threading.Event()
    threading.Thread(target=_receive, args=(worker, inbox, stopping), daemon=True).start()
    while (message := inbox.get()) is not None:
        for job in message["jobs"]:
            if stopping.is_set():
                return
            _send(worker, {"number": job["number"]} | run(job))


def load(path: Path) -> None:
    """Import the user's file; what lies beside it and in the working directory can be imported by it."""
    sys.path[:0] = list(dict.fromkeys([str(path.parent), str(Path.cwd())]))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    if not handlers.names():
        raise ImportError(f"{path} registers no handler: decorate a function with @rowline.handler('name')")


def run(message: Message) -> Message:
    """Run one job's handler and say what came of it."""
    try:
        job = Job(**{name: value for name, value in message.items() if name != "number"})
        result = handlers.find(job.name)(job)
    except BaseException as error:  # noqa: BLE001 - the handler boundary: whatever user code raises is a failure, exits too
        return _failure(error)
    try:
        return {"result": json.dumps(result, allow_nan=False)}
    except (TypeError, ValueError, RecursionError) as error:
        return {"reason": f"the handler's result is no JSON value: {error}", "stack": None, "unrecoverable": False}


def _failure(error: BaseException) -> Message:
    own_frame_skipped = error.__traceback__ and error.__traceback__.tb_next
    stack = "".join(traceback.format_exception(type(error), error, own_frame_skipped))
    return {
        "reason": "".join(traceback.format_exception_only(error)).strip(),
        "stack": stack,
        "unrecoverable": isinstance(error, handlers.UnrecoverableError),
    }


def _receive(worker: socket.socket, inbox: "queue.SimpleQueue[Message | None]", stopping: threading.Event) -> None:
    for line in _lines(worker):
        message = json.loads(line)
        if "stop" in message:
            stopping.set()
            inbox.put(None)
            return
        inbox.put(message)
    os._exit(0)  # the worker is gone: its leases will run out, so nothing more may be done under them


def _lines(worker: socket.socket) -> Iterable[bytes]:
    with worker.makefile("rb") as stream:
        yield from stream


def _send(worker: socket.socket, message: Message) -> None:
    worker.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
