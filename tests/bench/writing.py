"""What it costs writers that counts are kept: the service's own statements, and the same without that part of them."""

import contextlib
import functools
import itertools
import re
import time
from collections.abc import Iterator

from app.store.statements import Statement
from tests.bench import jobs, raw
from tests.bench.adding import Sides
from tests.bench.place import Place
from tests.bench.sample import Sample

OF_ONE = raw.Writing(Statement("jobs/insert_one"), Statement("leases/claim_one"), Statement("leases/complete_one"))
OWN = {1: OF_ONE, 100: raw.WRITING}
"""By how many jobs are added and worked at once: one alone has statements of its own."""
_COUNTED = re.compile(r",\s*counted as \(.*?\n\)", re.DOTALL)


@contextlib.contextmanager
def writers(place: Place) -> Iterator[Sides]:
    """Add, claim and complete jobs over one connection."""
    yield {
        f"writers of {size}, {how} counts": functools.partial(_written, place, size, writing)
        for size, own in OWN.items()
        for how, writing in (("with", own), ("without", raw.Writing(*map(_uncounted, own))))
    }
    place.empty()


def _uncounted(statement: Statement) -> Statement:
    text, found = _COUNTED.subn("", statement.text)
    assert found == 1, f"{statement.name} counts in another way"
    return Statement(f"{statement.name}, uncounted", text)


def _written(place: Place, size: int, writing: raw.Writing) -> Sample:
    place.empty()
    with raw.connect(place.url) as connection, connection.cursor() as cursor:
        batches = itertools.cycle(jobs.columns(size))
        meter = place.meter()
        begun_at, done = time.monotonic(), 0
        while time.monotonic() < begun_at + place.seconds:
            raw.insert_once(cursor, next(batches), writing)
            done += raw.turn(cursor, queue=jobs.QUEUE, size=size, writing=writing)
        took_s = time.monotonic() - begun_at
        meter.end()
    return Sample(value=done / took_s, unit="jobs/s", cores=meter.cores)
