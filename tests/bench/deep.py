"""How fast a deep queue is, beside an empty one on the same server, in turn."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.domain.job import Completion, JsonText
from app.domain.scan import ScanCursor
from app.domain.states import Status
from app.operations import claim, exchange
from app.postgres.database import Database
from app.queries import jobs as queries
from tests.bench import depths, driven, jobs, programs, reading, report, working
from tests.bench.place import Place, Service
from tests.bench.programs import BenchError

LEASE_MS = 60_000
BATCH = 100
CONNECTIONS = 4
LEAST = 0.9


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A figure before and after something, with the least or the most that their ratio may be."""

    line: str
    unit: str
    before: float
    after: float
    least: float | None = None
    most: float | None = None
    plus: float = 0.0  # what may be added to the most
    more: tuple[float, ...] = ()  # rounds, or how it went over time

    @property
    def words(self) -> str:
        """Say it in short."""
        return f"{report.number(self.before)} -> {report.number(self.after)} {self.unit}"

    def cells(self) -> list[str]:
        """Return what stands behind the line."""
        ratio = self.after / self.before if self.before else 0.0
        goal = f">= {self.least:g} x" if self.least else f"<= {self.most:g} x" if self.most else ""
        goal += f" + {self.plus:g}" if self.plus else ""
        is_met = ratio >= (self.least or 0) and (self.most is None or self.after <= self.most * self.before + self.plus)
        cursor = ("met" if is_met else "NOT MET") if goal else ""
        return [f"{report.number(self.before)} {self.unit}", report.number(self.after), f"{ratio:.2f}", goal, cursor]


def levels(empty: Place, full: Place, *, million: int, rounds: int) -> Iterator[Finding]:
    """Compare at each level. `million` is what stands for one."""
    deepen: dict[str, Callable[[], None]] = {
        f"{million:,} waiting": lambda: depths.waiting(full, million),
        f"{million:,} delayed in front": lambda: depths.delayed(full, million),
        f"{10 * million:,} finished kept": lambda: depths.finished(full, 10 * million),
    }
    for name, fill in deepen.items():
        full.empty()
        fill()
        counted, one = reading.counted(full)
        yield Finding(line=f"{name}: counts, beside select 1", unit="ms", before=one, after=counted, most=2, plus=3)
        yield from level(name, empty, full, rounds=rounds)


def level(name: str, empty: Place, full: Place, *, rounds: int) -> Iterator[Finding]:
    """Compare how fast jobs are added and worked in either."""
    with empty.api() as first, full.api() as second:
        yield from _level(name, (empty, first), (full, second), rounds)


def _level(name: str, empty: tuple[Place, Service], full: tuple[Place, Service], rounds: int) -> Iterator[Finding]:
    figures: dict[str, Callable[[Place, Service], float]] = {
        "POST of 100, 4 connections": _post,
        "claim and complete, batches of 10": lambda place, _: _turns(place, 10),
        "claim and complete, batches of 100": lambda place, _: _turns(place, BATCH),
        "Python worker, 1 process": lambda place, _: _work(place),
    }
    found: dict[str, tuple[list[float], list[float]]] = {figure: ([], []) for figure in figures}
    for nth in range(rounds):
        for figure, measure in figures.items():
            for side in (0, 1) if nth % 2 else (1, 0):
                place, api = (empty, full)[side]
                _prepare(place, deep=bool(side))
                found[figure][side].append(measure(place, api))
    for figure, (before, after) in found.items():
        yield Finding(
            line=f"{name}: {figure}",
            unit="jobs/s",
            before=statistics.median(before),
            after=statistics.median(after),
            least=LEAST,
            more=tuple(b / a for a, b in zip(before, after, strict=True)),
        )


def _prepare(place: Place, *, deep: bool) -> None:
    """Have a backlog at least: in an empty place that, in a deep one on top of what is there."""
    if not deep:
        place.fill()
        return
    with operating(place) as db:
        is_low = _waiting(db) < place.backlog
    if is_low:
        place.fill(empty=False)
    place.checkpoint()


def _waiting(db: Database) -> int:
    """Ask for what is kept, and count nothing: to count a million jobs takes a core from what is measured."""
    return (
        queries.Pages(db).read(queue=jobs.QUEUE, part=queries.Part(statuses=(Status.WAITING,))).counts[Status.WAITING]
    )


def _post(place: Place, api: Service) -> float:
    file = place.write("post-100.txt", jobs.posts(100))
    return driven.drive(place, api, file=file, connections=CONNECTIONS, meter=place.meter()).rate * 100


def _work(place: Place) -> float:
    """Have a worker work for the seconds of a measurement, and count what no longer waits."""
    worker = programs.serving(working.worker_words(), place.env(), place.folder / "worker.log")
    with worker as process, operating(place) as db:
        before = _waiting(db)
        ends_at = time.monotonic() + programs.READY_S
        while (left := _waiting(db)) == before:
            if process.poll() is not None or time.monotonic() > ends_at:
                raise BenchError("the worker does not begin")
        begun_at, begun_with = time.monotonic(), left
        while left and time.monotonic() < begun_at + place.seconds:
            time.sleep(0.1)
            left = _waiting(db)
        return (begun_with - left) / (time.monotonic() - begun_at)


def _turns(place: Place, size: int) -> float:
    """Claim and complete in this process, as the API does, for the seconds of a measurement."""
    cursor = ScanCursor()
    with operating(place) as db:
        turn(db, queue=jobs.QUEUE, size=size, cursor=cursor)
        begun_at, done = time.monotonic(), 0
        while time.monotonic() < begun_at + place.seconds and (
            now := turn(db, queue=jobs.QUEUE, size=size, cursor=cursor)
        ):
            done += now
        return done / (time.monotonic() - begun_at)


@contextlib.contextmanager
def operating(place: Place) -> Iterator[Database]:
    """Give the database as the service's operations take it."""
    db = Database(place.chosen, url=place.url, size=2, name="rowline-bench")
    try:
        yield db
    finally:
        db.close()


def turn(db: Database, *, queue: str, size: int, cursor: ScanCursor | None = None) -> int:
    """Claim jobs and complete them by the service's operations; return how many that was."""
    leases = claim.claim(db, queue=queue, limit=size, lease_ms=LEASE_MS, worker="bench", cursor=cursor).leases
    done = [Completion(lease=lease.key, result=JsonText("null")) for lease in leases]
    return len(exchange.exchange(db, queue=queue, completions=done).completed) if done else 0
