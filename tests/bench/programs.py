"""The processes of a run: each ended by its own pid, however the block that started it ends."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.local import processes
from tests.bench.cpu import Meter
from tests.bench.window import Count
from tests.support import clusters

WARM_S = 0.5
READY_S = 20.0
STOP_S = 10.0
LATE_S = 60.0  # how long after its window a measuring process may take to tell


class BenchError(Exception):
    """A run cannot go on; the message says why."""


@contextlib.contextmanager
def measuring(words: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m WORDS`, which talks with us over its standard input and output."""
    with _started(words, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None) as process:
        yield process


@contextlib.contextmanager
def serving(words: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m WORDS`, which writes what it says into the file `log`."""
    with log.open("wb") as file, _started(words, env, stdin=None, stdout=file, stderr=file) as process:
        yield process


@contextlib.contextmanager
def _started(words: Sequence[str], env: Mapping[str, str], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=clusters.ROOT,
        env=os.environ | env,
        start_new_session=True,  # Ctrl-C is ours to pass on
        preexec_fn=processes.tie(signal.SIGTERM),  # noqa: PLW1509 - we have no threads
        **streams,
    ) as process:
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def measure(
    *programs: Sequence[str], env: Mapping[str, str], seconds: float, meter: Meter | None = None
) -> list[Count]:
    """Run measuring processes beside one another, all in the same window of `seconds`. Raises BenchError.

    `meter` counts in that window.
    """
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(measuring(words, env)) for words in programs]
        for process in started:
            _line(process, within_s=READY_S)
        opens_at = time.monotonic() + WARM_S
        for process in started:
            assert process.stdin
            process.stdin.write(json.dumps({"opens_at": opens_at, "closes_at": opens_at + seconds}).encode() + b"\n")
            process.stdin.flush()
        if meter:
            _sleep_until(opens_at)
            meter.begin()
            _sleep_until(opens_at + seconds)
            meter.end()
        return [Count(**json.loads(_line(process, within_s=seconds + LATE_S))) for process in started]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _line(process: subprocess.Popen[bytes], *, within_s: float) -> bytes:
    assert process.stdout
    if not select.select([process.stdout], [], [], within_s)[0]:
        raise BenchError(f"silent for {within_s:g} s: {process.args!r}")
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"ended early: {process.args!r}")
    return line


def await_ready(process: subprocess.Popen[bytes], *, port: int, path: str, log: Path) -> None:
    """Wait until a server answers at `path`. Raises BenchError with what it said."""
    ends_at = time.monotonic() + READY_S
    while not _is_ready(port, path):
        if process.poll() is not None or time.monotonic() > ends_at:
            raise BenchError(f"the server does not start:\n{log.read_text(errors='replace')[-2_000:]}")
        time.sleep(0.1)


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
