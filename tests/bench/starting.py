"""How long a job of an idle queue waits: from before the call that adds it to the first line of its handler."""

import contextlib
import functools
import http.client
import json
import time
from collections.abc import Iterator

from tests.bench import programs, sample, working
from tests.bench.adding import Sides
from tests.bench.place import Place, Service
from tests.bench.programs import BenchError
from tests.bench.sample import Sample

LINE = "add to start, 20/s"
QUEUE = "idle"
RATE = 20  # jobs a second
SECONDS_MORE = 2  # than a round of adding
FIRST = RATE
"""Jobs that are added before those that are measured, as with the peers: the first are slower."""
_STARTED = f"""
    select result::text::float8 from rowline.jobs where queue = 'idle' and status = 'completed'
    order by number offset {FIRST}
"""


@contextlib.contextmanager
def idle(place: Place) -> Iterator[Service]:
    """Run the API, and a worker that waits for jobs of a queue without any."""
    with (
        place.api() as api,
        programs.serving(working.worker_words(queue=QUEUE), place.env(), place.folder / "idle.log"),
    ):
        _start(place, api, FIRST)  # so that the worker is there
        yield api


@contextlib.contextmanager
def latency(place: Place) -> Iterator[Sides]:
    """Add jobs, one every 50 ms."""
    with idle(place) as api:
        yield {LINE: functools.partial(measured, place, api)}


def measured(place: Place, api: Service) -> Sample:
    """Measure a round; `more` has the waits in ms."""
    found = sample.latencies_ms(_start(place, api, RATE * (place.seconds + SECONDS_MORE)))
    return Sample(value=found["p50_ms"], unit="ms", more=found)


def _start(place: Place, api: Service, count: int) -> list[float]:
    """Add jobs, and return of the last `count` in seconds when each handler began. Raises BenchError."""
    place.empty()
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    begun_at = time.monotonic()
    for nth in range(FIRST + count):
        time.sleep(max(0.0, begun_at + nth / RATE - time.monotonic()))
        body = json.dumps([{"name": "stamp", "data": {"at": time.time()}}])
        connection.request("POST", f"/queues/{QUEUE}/jobs", body, {"Authorization": f"Bearer {place.token}"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise BenchError(f"the API answered {answer.status}: {answer.read()!r}")
        answer.read()
    connection.close()
    place.await_worked(QUEUE)
    return [row[0] for row in place.connection.execute(_STARTED).fetchall()]
