"""`make bench-shapes`: what bodies of any shape cost an API process, beside plain text of their length, in turn.

CPU of the API's process, by the scheduler's own account, for a request with a value of SIZE bytes; PostgreSQL's is not
in it. Each route gets the value where a client can put it; "refused" routes get what no route takes.
"""

import http.client
import itertools
import json
import statistics
from collections.abc import Callable

import click

from app.domain import jsontext
from app.infra import settings
from tests.bench import cpu, place, report
from tests.bench.place import Place, Service
from tests.support.shapes import SHAPES

SIZE = 1_000_000
GOAL = 6.0
MANY = {
    "9,000 smallest jobs": "[" + ",".join(['{"name":"n","data":0}'] * 9_000) + "]",
    "jobs without a name": "[" + ",".join(['{"data":0}'] * 9_000) + "]",
    "9,000 jobs, a fault in the last": "[" + '{"name":"n","data":0},' * 9_000 + "{]",
    "10,001 jobs": "[" + ",".join(['{"name":"n","data":0}'] * 10_001) + "]",
    "empty arrays for jobs": "[" + ",".join(["[]"] * 300_000) + "]",
    "unknown members of a job": '[{"name":"n","data":0,' + ",".join([f'"m{n:05}":0' for n in range(90_000)]) + "}]",
    "unknown members of jobs": "[" + ",".join(['{"x":0}'] * 10_000) + "]",
}
"""Bodies of POST jobs whose cost is in their number."""
_PARTS = json.dumps([{"a": 1}] * 190)
_HALVES = "\\ud800" * 160


def _job(value: str) -> str:
    return f'[{{"name":"n","data":{value}}}]'


def _odd(more: str) -> str:
    return f'{{"name":"n","data":0,{more}}}'


def _fooling() -> str:
    """Return an object of over half a piece whose data looks twice as if another object of the array began there."""
    checked = f'"{"1" * 1_001}","\\\\u0000"'  # may be what no body may have, so that it is looked at again
    towers = ",".join(["[" * 100 + "]" * 100] * 155)
    begin = f'{{"name":"}}","data":[{checked},{towers},0,'.ljust(jsontext.PIECE // 2 - 25)
    return begin + '{"name":1},{"name":1},"{"]}'


def _ending(more: str) -> str:
    return f'{{"token":"7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11",{more}}}'


ODD = {
    "POST jobs": {
        "text": ['{"name":"n","data":"%s"}' % ("x" * SIZE)],
        "97 unknown members a job": [_odd(",".join(f'"m{n:02}":0' for n in range(97)))] * 1_000,
        "97 names with a colon a job": [_odd(",".join(f'"m:{n:02}":0' for n in range(97)))] * 900,
        "97 names that are not ASCII a job": [_odd(",".join(f'"{chr(161 + n)}":0' for n in range(97)))] * 900,
        "towers in jobs of 8 KiB": [_job(SHAPES["towers of 9 arrays on objects"](8_000))[1:-1]] * 120,
        "towers in jobs of 131 KiB": [_job(SHAPES["towers of 9 arrays on objects"](131_000))[1:-1]] * 7,
        "objects in jobs of 1 KiB, a fault in the last": [_job(SHAPES["objects of one member"](1_000))[1:-1]] * 900
        + ['{"name":"n","data":[{},{},]}'],
        "half a piece each, with two ends that are none": [_fooling()] * 30,
        "100 KiB in an unknown member": [_odd(f'"m":{json.dumps([{"a": 1}] * 9_000)}')] * 10,
        "objects for attempts": [_odd(f'"opts":{{"attempts":{_PARTS}}}')] * 500,
        "a name twice in the last": [_odd(f'"opts":{{"jobId":"{"x" * 250}"}}')] * 3_000 + [_odd('"data":1')],
    },
    "finish": {
        "text": [_ending(f'"id":"1","failedReason":"{"x" * len(_HALVES)}"')] * 900,
        "half characters in reasons": [_ending(f'"id":"1","failedReason":"{_HALVES}"')] * 900,
        "lines with half characters": [_ending(f'"id":"1","stacktrace":["{_HALVES}","a"]')] * 900,
        "objects for ids": [_ending(f'"id":{_PARTS}')] * 500,
    },
}
"""Objects that are at fault, by the route that refuses them, and what they are held against."""


def _told(member: str) -> Callable[[str], str]:
    return lambda value: f'{{"token":"7b0e1c1e-6f1f-4a55-9d52-6a3f9c8a2b11","{member}":{value}}}'


ROUTES: dict[str, tuple[str, Callable[[str], str]]] = {
    "POST jobs": ("/queues/q/jobs", _job),
    "POST jobs, in opts": ("/queues/q/jobs", lambda value: f'[{{"name":"n","data":0,"opts":{{"jobId":{value}}}}}]'),
    "complete": ("/queues/q/jobs/1/complete", _told("returnvalue")),
    "fail": ("/queues/q/jobs/1/fail", _told("stacktrace")),
    "finish": ("/queues/q/jobs/finish", lambda value: '{"jobs":[' + _told("returnvalue")(value)[:-1] + ',"id":"1"}]}'),
    "workers": ("/workers", lambda value: f'{{"queue":"q","endpoint":{{"url":{value}}}}}'),
    "progress": ("", lambda value: f'{{"a":{value}}}'),
}


@click.command()
@click.option("--rounds", type=click.IntRange(1, 50), default=3, show_default=True)
@click.option(
    "--requests", "each", type=click.IntRange(1, 100), default=4, show_default=True, help="Of a shape a round."
)
@click.option("--only", multiple=True, type=click.Choice([*ROUTES, "many", "odd"]))
def bench(*, rounds: int, each: int, only: tuple[str, ...]) -> None:
    """Measure, and print a table with a mark for each shape."""
    with (
        place.opened(settings.from_env({}), seconds=1, backlog=1) as on,
        on.serving(place.API, path="/health/ready", part="API", ROWLINE_API_PROCESSES="1") as api,
    ):
        caller = Caller(on, api)
        for route, (path, body) in ROUTES.items():
            if not only or route in only:
                values = {name: body(shape(SIZE)) for name, shape in SHAPES.items()}
                _table(route, caller.measured(path or caller.running(), values, rounds=rounds, each=each))
        for route, bodies in ODD.items() if not only or "odd" in only else ():
            path, body = ROUTES[route]
            form = '{"jobs":[%s]}' if route == "finish" else "[%s]"
            values = {"text": body(SHAPES["text"](SIZE))} | {
                name: form % ",".join(jobs) for name, jobs in bodies.items()
            }
            _table(route, caller.measured(path, values, rounds=rounds, each=each))
        if not only or "many" in only:
            values = {"text": _job(SHAPES["text"](SIZE))} | MANY
            _table("POST jobs", caller.measured("/queues/q/jobs", values, rounds=rounds, each=each))


class Caller:
    """One client of one API process."""

    def __init__(self, on: Place, api: Service) -> None:
        """Connect."""
        self._on, self._api = on, api
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port)
        self._authorization = f"Bearer {on.token}"

    def running(self) -> str:
        """Claim a job and become its attempt; return where its progress goes."""
        self._post("/queues/q/jobs", b'[{"name":"n","data":0}]')
        claimed = self._post("/queues/q/jobs/claim", b'{"lockDuration":3600000}')[1]
        [held] = json.loads(claimed)["jobs"]
        self._authorization = f"Bearer {held['token']}"
        return f"/queues/q/jobs/{held['job']['id']}/progress"

    def measured(
        self, path: str, bodies: dict[str, str], *, rounds: int, each: int
    ) -> dict[str, tuple[list[float], int, int]]:
        """Return for each body the ms of CPU a request in each round, its bytes and its status."""
        found: dict[str, tuple[list[float], int, int]] = {}
        for nth, (name, body) in itertools.product(range(rounds), bodies.items()):
            raw = body.encode()
            status, _ = self._post(path, raw)
            before = self._cpu_ms()
            for _ in range(each):
                self._post(path, raw)
            spent, _, _ = found.setdefault(name, ([], len(raw), status))
            spent.append((self._cpu_ms() - before) / each)
            if nth == 0 and path.endswith("/jobs"):
                self._on.empty()
        self._authorization = f"Bearer {self._on.token}"
        return found

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", path, body, {"Authorization": self._authorization})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _cpu_ms(self) -> float:
        return cpu.scheduled_ns(self._api.pid) / 1e6


def _table(route: str, found: dict[str, tuple[list[float], int, int]]) -> None:
    def per_mib(name: str) -> float:
        spent, size, _ = found[name]
        return statistics.median(spent) / (size / 2**20)

    plain = per_mib("text")
    rows = []
    for name, (spent, size, status) in found.items():
        ratio = per_mib(name) / plain
        mark = "" if name == "text" else "met" if ratio <= GOAL else "MISSED"
        rows.append([name, str(status), f"{size / 2**20:.2f}", f"{statistics.median(spent):.1f}", f"{ratio:.1f}", mark])
    print(f"\n{route}\n" + report.table([["shape", "status", "MiB", "CPU ms", "x text", "goal 6"], *rows]), flush=True)


if __name__ == "__main__":
    bench()
