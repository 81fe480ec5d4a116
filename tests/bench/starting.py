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

QUEUE = "idle"
RATE = 20  # jobs a second
SECONDS_MORE = 2  # than a round of adding
_STARTED = "select result::text::float8 from rowline.jobs where queue = 'idle' and status = 'completed'"


@contextlib.contextmanager
def latency(place: Place) -> Iterator[Sides]:
    """Add jobs, one every 50 ms, beside a worker that waits for them."""
    with (
        place.api() as api,
        programs.serving(working.worker_words(queue=QUEUE), place.env(), place.folder / "idle.log"),
    ):
        _start(place, api, 2 * RATE)  # the first are slower
        yield {"add to start, 20/s": functools.partial(_round, place, api)}


def _round(place: Place, api: Service) -> Sample:
    waits_s = _start(place, api, RATE * (place.seconds + SECONDS_MORE))
    found = sample.latencies_ms(waits_s)
    return Sample(value=found["p50_ms"], unit="ms", more=found)


def _start(place: Place, api: Service, count: int) -> list[float]:
    """Add `count` jobs and return, in seconds, when each handler began. Raises BenchError."""
    place.empty()
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    begun_at = time.monotonic()
    for nth in range(count):
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
