"""Rowline as one of the peers: over HTTP, by its worker, with the same figures."""

from collections.abc import Callable, Iterator

from tests.bench import adding, starting, working
from tests.bench.place import Place
from tests.bench.sample import Sample

NAME = "Rowline"
POSTS = {"one": (1, 1), "in16": (1, 16), "in50": (1, 50), "bulk100": (100, 4), "bulk1000": (1_000, 4)}


def measure(place: Place) -> Iterator[tuple[str, Sample]]:
    """Measure one round: figure by figure."""
    with place.api() as api:
        for figure, (size, connections) in POSTS.items():
            yield figure, adding.post(place, api, size, connections)
    yield "process", working.work(place, processes=1, batch=place.chosen.max_batch)
    yield "process1", _few(place, lambda: working.work(place, processes=1, batch=1))
    with starting.idle(place) as api:
        found = starting.measured(place, api)
        yield from ((key, Sample(value=value, unit="ms")) for key, value in found.more.items())


def _few(place: Place, measure: Callable[[], Sample]) -> Sample:
    """Measure with a tenth of the backlog: what takes a job at a time takes long."""
    whole, place.backlog = place.backlog, place.backlog // 10
    try:
        return measure()
    finally:
        place.backlog = whole
