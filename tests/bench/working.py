"""The sides that work a backlog: the Python worker, pgbench, and pull over HTTP."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.bench import pgbench, programs
from tests.bench.adding import Side, Sides
from tests.bench.jobs import QUEUE
from tests.bench.place import Place, Service
from tests.bench.sample import Sample

HANDLERS = Path(__file__).with_name("handlers.py")
AT_ONCE = 100
PULLS = 4  # connections


@contextlib.contextmanager
def backlog(place: Place) -> Iterator[Sides]:
    """Work the same backlog in different ways."""
    with place.api() as api:
        sides: dict[str, Side] = {
            "Python worker, 1 process": functools.partial(work, place, processes=1),
            "Python worker, 2 processes": functools.partial(work, place, processes=2),
            "two Python workers, 1 process each": functools.partial(work, place, processes=1, workers=2),
            "pull over HTTP, 4 connections": functools.partial(_pull, place, api),
        }
        if program := pgbench.program(place.chosen):
            sides["pgbench, claim and complete"] = functools.partial(_pgbench, place, program)
        yield sides


def worker_words(*, queue: str = QUEUE, processes: int = 1) -> list[str]:
    """Return the words that start a worker."""
    return ["app", "work", "--queue", queue, "--handlers", str(HANDLERS), "--processes", str(processes)]


def work(place: Place, *, processes: int, workers: int = 1, batch: int = AT_ONCE) -> Sample:
    """Have workers work off a backlog."""
    place.fill()
    env = place.env(ROWLINE_MAX_BATCH=str(batch))
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                programs.serving(worker_words(processes=processes), env, place.folder / f"worker-{nth}.log")
            )
            for nth in range(workers)
        ]
        roots = {f"worker_{nth + 1}": process.pid for nth, process in enumerate(started)}
        return _timed(place, roots, f"worker with {processes} processes")


def _timed(place: Place, roots: dict[str, int], name: str = "") -> Sample:
    """Measure from the first claim to the last end: not how long a program takes to start."""
    place.await_first()
    meter = place.meter(**roots)
    rate = place.await_worked()
    meter.end()
    if name:
        place.note_rss(name, **roots)
    return Sample(value=rate, cores=meter.cores)


def _pull(place: Place, api: Service) -> Sample:
    """Pull until nothing is left. CPU is counted to the client's last word, and told for the time of the work."""
    place.fill()
    meter = place.meter(API=api.pid)
    words = ["tests.bench.pull", str(PULLS), str(AT_ONCE)]
    [count] = programs.measure(words, env=place.env(PORT=str(api.port)), seconds=programs.LATE_S)
    meter.end()
    rate = place.await_worked()
    seconds = place.backlog / rate
    used = {part: cores * meter.seconds / seconds for part, cores in meter.cores.items()}
    return Sample(value=rate, cores=used | {"client": count.all_cpu_s / seconds})


def _pgbench(place: Place, program: Path) -> Sample:
    place.fill()
    meter = place.meter()
    client_s = pgbench.run(place, program)
    meter.end()
    rate = place.await_worked()
    scale = meter.seconds * rate / place.backlog
    cores = {part: used * scale for part, used in meter.cores.items()}
    return Sample(value=rate, cores=cores | {"client": client_s * rate / place.backlog})
