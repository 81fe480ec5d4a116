"""The sides that send jobs to an endpoint: the dispatcher, and a bare loop of its HTTP client."""

import contextlib
import functools
import http.client
import json
from collections.abc import Iterator

from app.domain.states import Status
from app.postgres.database import Database
from app.queries import jobs as queries
from app.web import answers
from app.wire.job import JobSchema
from tests.bench import programs
from tests.bench.adding import Sides
from tests.bench.jobs import QUEUE
from tests.bench.place import Place, Service
from tests.bench.programs import BenchError
from tests.bench.sample import Sample

CONCURRENCY = 50
SHARE = 10  # of the backlog: a call takes longer than a job of the Python worker
ALLOW = {"ROWLINE_WEBHOOK_ALLOW": "127.0.0.0/8", "ROWLINE_WEBHOOK_SECRETS": f"whsec_{'A' * 32}"}


@contextlib.contextmanager
def pushing(place: Place) -> Iterator[Sides]:
    """Send jobs to an endpoint on this machine that answers at once."""
    with place.serving(["tests.bench.receiver"], path="/", part="endpoint") as endpoint:
        _register(place, endpoint)
        yield {
            "push, concurrency 50": functools.partial(_push, place, endpoint),
            "bare HTTP client, concurrency 50": functools.partial(_bare, place, endpoint),
        }
        place.connection.execute("delete from rowline.endpoints")


def _register(place: Place, endpoint: Service) -> None:
    """Have the API register the endpoint, with the address allowed that no endpoint may have by default."""
    body = {
        "queue": QUEUE,
        "endpoint": {"url": f"http://127.0.0.1:{endpoint.port}/jobs", "method": "POST"},
        "opts": {"concurrency": CONCURRENCY},
    }
    with place.serving(["app", "serve"], path="/health/ready", part="API", **ALLOW) as api:
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
        connection.request("POST", "/workers", json.dumps(body), {"Authorization": f"Bearer {place.token}"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise BenchError(f"the endpoint was not registered: {said!r}")


def _push(place: Place, endpoint: Service) -> Sample:
    place.fill(place.backlog // SHARE)
    with programs.serving(["app", "dispatch"], place.env(**ALLOW), place.folder / "dispatcher.log") as process:
        place.await_first()
        meter = place.meter(dispatcher=process.pid, endpoint=endpoint.pid)
        rate = place.await_worked()
        meter.end()
        place.note_rss("dispatcher", dispatcher=process.pid)
    return Sample(value=rate, cores=meter.cores)


def _bare(place: Place, endpoint: Service) -> Sample:
    if not (file := place.folder / "pushed.txt").exists():
        file.write_bytes(b"\n".join(_bodies(place)))
    words = ["gevent.monkey", "--module", "tests.bench.bare", str(CONCURRENCY), f"http://127.0.0.1:{endpoint.port}"]
    meter = place.meter(endpoint=endpoint.pid)
    [count] = programs.measure([*words, str(file)], env=place.env(), seconds=place.seconds, meter=meter)
    return Sample(value=count.rate, cores=meter.cores | {"client": count.cores})


def _bodies(place: Place) -> list[bytes]:
    """Return what the dispatcher would send of jobs that are there."""
    place.fill(1_000)
    schema = JobSchema(queue_prefix=place.chosen.queue_prefix)
    db = Database(place.chosen, url=place.url, size=1, name="rowline-bench")
    found = queries.Pages(db).read(queue=QUEUE, part=queries.Part(statuses=tuple(Status), length=100)).jobs
    db.close()
    token = "0" * 36
    return [answers.text({"job": schema.members(job) | {"token": token}, "token": token}).encode() for job in found]
