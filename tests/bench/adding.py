"""The sides that add jobs over HTTP, and what they are held against."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping

from tests.bench import driven, jobs, programs
from tests.bench.place import Place, Service
from tests.bench.sample import Sample

Side = Callable[[], Sample]
Sides = Mapping[str, Side]
BATCHES = ((100, 4), (1_000, 4))  # jobs a request, connections
SINGLE = (16, 64)  # connections


@contextlib.contextmanager
def batches(place: Place) -> Iterator[Sides]:
    """Post batches; and insert the same batches from as many processes as the API has, each with one connection."""
    with place.api() as api:
        sides: dict[str, Side] = {}
        for size, connections in BATCHES:
            sides |= {
                f"POST of {size:,}, {connections} connections": functools.partial(post, place, api, size, connections),
                f"raw psycopg, batches of {size:,}": functools.partial(_insert, place, size),
            }
        yield sides


@contextlib.contextmanager
def single(place: Place) -> Iterator[Sides]:
    """Post one job a request; and get a constant answer over as many connections."""
    with place.api() as api, place.constant() as other:
        sides: dict[str, Side] = {}
        for connections in SINGLE:
            sides |= {
                f"POST of 1, {connections} connections": functools.partial(post, place, api, 1, connections),
                f"constant answer, {connections} connections": functools.partial(constant, place, other, connections),
            }
        yield sides


def post(place: Place, api: Service, size: int, connections: int) -> Sample:
    """POST batches of `size` jobs into an empty table."""
    place.empty()
    file = place.write(f"post-{size}.txt", jobs.posts(size))
    meter = place.meter(API=api.pid)
    found = driven.drive(place, api, file=file, connections=connections, meter=meter)
    place.require(found.all_requests * size, (found.all_requests + connections) * size)
    return Sample(value=found.rate * size, cores=meter.cores | {"client": found.client_cores}, more=found.waits)


def constant(place: Place, other: Service, connections: int) -> Sample:
    """GET the constant answer."""
    file = place.write("constant.txt", ["GET /constant"])
    meter = place.meter(constant=other.pid)
    found = driven.drive(place, other, file=file, connections=connections, meter=meter)
    cores = meter.cores | {"client": found.client_cores}
    return Sample(value=found.rate, unit="requests/s", cores=cores, more=found.waits)


def _insert(place: Place, size: int) -> Sample:
    place.empty()
    meter = place.meter()
    words = ["tests.bench.raw", str(size)]
    programs_ = [words] * place.chosen.api_processes
    counts = programs.measure(*programs_, env=place.env(), seconds=place.seconds, meter=meter)
    acknowledged = sum(count.all_jobs for count in counts)
    place.require(acknowledged, acknowledged)
    cores = meter.cores | {"client": sum(count.cores for count in counts)}
    return Sample(value=sum(count.rate for count in counts), cores=cores)
