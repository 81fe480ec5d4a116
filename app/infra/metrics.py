"""The metrics of this process; those of the API processes of a node are added up, by files that they share.

A file is named by the slot of its process, not by its pid: so there are no more of them than processes at once, and
what a process counted goes on in the one that takes its place.
"""

import os
import platform
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.infra import metricfiles, metricnames
from app.infra.metricfiles import Place
from app.infra.metricnames import Metric
from app.infra.release import HEAD

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
QUEUES_MAX = 500
"""So many queues a process names in the labels of its own metrics, the first ones."""
OTHER = "_other"
"""What labels call the other queues, and a method that HTTP does not know."""
UNMATCHED = "unmatched"
"""The route of requests whose path has none, or not with their method."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the buckets, in seconds: from a plain read to the longest wait."""
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


def _share(place: Place) -> None:
    """Have all metrics of this process in files of the folder of its node, under its slot."""
    os.environ[_SHARED] = str(place.folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: place.slot)  # type: ignore[no-untyped-call]


class ProcessMetrics:
    """The metrics of this process. Thread-safe. Make it once."""

    def __init__(self) -> None:
        """Begin at zero; or where the process before in the same slot ended, if those of this node share theirs."""
        # They would be a second series of each.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._source: Collector = self._registry
        if place := metricfiles.place():
            _share(place)
            self._source = multiprocess.MultiProcessCollector(None, str(place.folder))  # type: ignore[no-untyped-call]
        self._duration = self._histogram(metricnames.DURATION)
        self._pool_wait = self._histogram(metricnames.POOL_WAIT)
        self._in_use = self._gauge(metricnames.POOL_IN_USE, "livesum")
        self._calls = self._counter(metricnames.CALLS)
        self._streams = self._gauge(metricnames.STREAMS, "livesum")
        self._lagged = self._counter(metricnames.LAGGED)
        self._round_trip: Gauge | None = None
        self._requests: dict[tuple[str | None, str, int], Histogram] = {}
        self._queues: set[str] = set()
        self._naming = threading.Lock()

    def note_request(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered; `route` is Flask's rule, None if none matched."""
        key = (route, method, status)
        found = self._requests.get(key)
        (found or self._of_requests(key)).observe(seconds)

    def _of_requests(self, key: tuple[str | None, str, int]) -> Histogram:
        route, method, status = key
        method = method if method in METHODS else OTHER  # else a client could make any number of series
        path = _PARAMETER.sub(r"{\1}", route or UNMATCHED)  # as in the OpenAPI document
        found = self._duration.labels(path, method, str(status))
        if method != OTHER:
            self._requests[key] = found
        return found

    def note_pool_wait(self, seconds: float) -> None:
        """Note that somebody waited for a database connection so long, in vain or not."""
        self._pool_wait.observe(seconds)

    def note_call(self, queue: str, outcome: str) -> None:
        """Count a call of the endpoint of a queue that ended."""
        with self._naming:
            if queue not in self._queues and len(self._queues) < QUEUES_MAX:
                self._queues.add(queue)
            name = queue if queue in self._queues else OTHER
        self._calls.labels(name, outcome).inc()

    def note_streams(self, count: int) -> None:
        """Set how many streams of events are open."""
        self._streams.set(count)

    def note_lagged_stream(self) -> None:
        """Count a stream of events that ends because its client was behind."""
        self._lagged.inc()

    def sample(self, *, in_use: int, round_trip_s: float | None) -> None:
        """Set what is looked at now and then: connections in use, and how long a pulse took, None: not known."""
        self._in_use.set(in_use)
        if round_trip_s is not None:
            self._round_trip = self._round_trip or self._gauge(metricnames.ROUND_TRIP, "livemostrecent")
            self._round_trip.set(round_trip_s)

    def text(self) -> bytes:
        """Return them, of all processes that share a folder, as Prometheus reads them."""
        return prometheus_client.generate_latest(_Whole(self._source))

    def _gauge(self, metric: Metric, mode: str) -> Gauge:
        return Gauge(metric.name, metric.about, registry=self._registry, multiprocess_mode=mode)  # type: ignore[arg-type]

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.about, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.about, metric.labels, registry=self._registry, buckets=BUCKETS)


class _Whole(Collector):
    """The metrics with what is made of them: the requests are those of which the duration is known."""

    def __init__(self, source: Collector) -> None:
        self._source = source

    def collect(self) -> Iterator[Family]:
        yield _built()
        for family in self._source.collect():
            family.documentation = _ABOUT.get(family.name, family.documentation)
            family.samples.sort(key=lambda sample: sorted(sample.labels.items(), key=_by_bound))
            yield family
            if family.name == metricnames.DURATION.name:
                yield _requests(family)


def _by_bound(label: tuple[str, str]) -> tuple[str, float, str]:
    """Sort by labels, and buckets by their bounds: files of several processes have them in any order."""
    name, value = label
    return (name, float(value), "") if name == "le" else (name, 0.0, value)


def _requests(family: Family) -> Family:
    made = Family(metricnames.REQUESTS.name.removesuffix("_total"), metricnames.REQUESTS.about, "counter")
    for sample in family.samples:
        if sample.name.endswith("_count"):
            made.add_sample(metricnames.REQUESTS.name, sample.labels, sample.value)
    return made


def _built() -> Family:
    made = Family(metricnames.BUILD.name, metricnames.BUILD.about, "gauge")
    labels = {"version": metadata.version("rowline"), "release": HEAD, "python": platform.python_version()}
    made.add_sample(metricnames.BUILD.name, labels, 1)
    return made


_ABOUT: Mapping[str, str] = {one.name.removesuffix("_total"): one.about for one in metricnames.METRICS}


def written(metric: Metric, samples: Iterable[tuple[str, float]]) -> str:
    """Return a metric as Prometheus reads it: each sample with its labels, as `labels` writes them. "" if none."""
    lines = [f"{metric.name}{labels} {value!r}\n" for labels, value in samples]
    if not lines:
        return ""
    return f"# HELP {metric.name} {metric.about}\n# TYPE {metric.name} {metric.kind}\n{''.join(lines)}"


def labels(**values: str) -> str:
    """Return labels as they stand in a sample; "" if there are none."""
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
