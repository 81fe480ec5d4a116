"""The sides that read over HTTP, beside a constant answer; and the counts of a big queue, beside `select 1`."""

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator

import sqlalchemy

from app.domain.states import Status
from app.postgres.database import Database
from app.queries import jobs as queries
from tests.bench import adding, depths, driven, jobs, raw
from tests.bench.adding import Sides
from tests.bench.place import Place, Service
from tests.bench.sample import Sample

CONNECTIONS = 16
STORED = 10_000  # jobs that are read, half of them completed
ASKED = 200  # times the counts, a round
COUNTED_WITHIN_MS = 120_000
PAGES = [f"{order}&start={start}" for order in ("", "&order=asc") for start in (0, 10, 20, 30)]
"""Of all statuses, but different ones: who asks for the same page at the same moment would share it."""


@contextlib.contextmanager
def over_http(place: Place) -> Iterator[Sides]:
    """Get one job, and pages."""
    with place.api() as api, place.constant() as other:
        place.fill(STORED)
        with raw.connect(place.url) as connection, connection.cursor() as cursor:
            for _ in range(STORED // 2 // 100):
                raw.turn(cursor, queue=jobs.QUEUE, size=100)
        numbers = place.connection.execute("select number from rowline.jobs limit 1000").fetchall()
        asked = {
            "GET one job": [f"GET {jobs.POST}/{number}" for (number,) in numbers],
            "GET a page of 10, with counts": [f"GET {jobs.POST}?length=10{more}" for more in PAGES],
            "GET a page of 100, with counts": [f"GET {jobs.POST}?length=100{more}" for more in PAGES],
        }
        reads = {name: functools.partial(_get, place, api, name, lines) for name, lines in asked.items()}
        yield reads | {"constant answer, beside reads": functools.partial(adding.constant, place, other, CONNECTIONS)}


def _get(place: Place, api: Service, name: str, lines: list[str]) -> Sample:
    file = place.write(f"{name}.txt".replace(" ", "-"), lines)
    meter = place.meter(API=api.pid)
    found = driven.drive(place, api, file=file, connections=CONNECTIONS, meter=meter)
    cores = meter.cores | {"client": found.client_cores}
    return Sample(value=found.rate, unit="requests/s", cores=cores, more=found.waits)


@contextlib.contextmanager
def counts(place: Place, *, stored: int) -> Iterator[Sides]:
    """Count a queue of `stored` finished jobs as the API does, in this process."""
    place.empty()
    depths.finished(place, stored)
    with _database(place) as db:
        yield {
            "counts of a big queue": lambda: _timed(place, lambda: _count(db)),
            "select 1": lambda: _timed(place, lambda: _one(db)),
        }
    place.empty()


def counted(place: Place) -> tuple[float, float]:
    """Return how many ms counts of the queue take, and how many `select 1` takes."""
    with _database(place) as db:
        return _timed(place, lambda: _count(db)).value, _timed(place, lambda: _one(db)).value


@contextlib.contextmanager
def _database(place: Place) -> Iterator[Database]:
    db = Database(place.chosen, url=place.url, size=2, name="rowline-bench", limit_ms=COUNTED_WITHIN_MS)
    try:
        yield db
    finally:
        db.close()


def _count(db: Database) -> None:
    queries.Pages(db).read(queue=jobs.QUEUE, part=queries.Part(statuses=tuple(Status)))


def _one(db: Database) -> None:
    with db.read() as conn:
        conn.execute(sqlalchemy.text("select 1")).one()


def _timed(place: Place, ask: Callable[[], None]) -> Sample:
    """Ask for a time, at most ASKED times, and return the median time in ms."""
    took_s: list[float] = []
    ends_at = time.monotonic() + place.seconds
    while len(took_s) < ASKED and time.monotonic() < ends_at:
        begun_at = time.monotonic()
        ask()
        took_s.append(time.monotonic() - begun_at)
    return Sample(value=statistics.median(took_s) * 1000, unit="ms")
