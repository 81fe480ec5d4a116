"""`make bench-events`: how soon events come, and what they cost those who add and work jobs.

1. Jobs are added at a rate, and then added and worked: a client of the stream sees whether all events come, each
   job's in their order, and how long after the moment of their statements.
2. The pace of adding and working in batches with clients that have a stream each, in gzip as browsers ask for it and
   as plain text, and with none, by turns.
3. The same with events, and with `ROWLINE_EVENTS=off`, on a database each, by turns.

The API has one process. Other clients share the cores with it and the database; the many clients of streams read with
what those leave (`tests.bench.elsewhere`), and must have read all in the end.
"""

import contextlib
import http.client
import json
import multiprocessing
import selectors
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import click
import rowline

from tests.bench import elsewhere, report
from tests.bench.sample import percentile
from tests.support import clusters, databases, raw

QUEUE = "bench-events"
PLACES = {"added": 0, "active": 1, "completed": 2}
LONGEST_S = 60.0
"""A client gives up if not all has come so long after the last job."""
SILENT_S = 1.0
"""Then all has come."""
DATA = {"to": "ada@example.com", "order": 4711}
_SPAWN = multiprocessing.get_context("spawn")  # a fork would share the connections of this process


class Heard(NamedTuple):
    """What a client of the stream has seen: how many events of jobs, how many out of order, and how late, in ms."""

    events: int
    out_of_order: int
    late_ms: list[float]


def listen(port: int, wanted: Connection) -> None:
    """Read a stream until as many events have come as `wanted` says, and send what was heard; its own process."""
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)
    query = "&".join(f"type={each}" for each in (*PLACES, "resumed"))
    stream.request("GET", f"/queues/{QUEUE}/events?{query}", headers={"Authorization": f"Bearer {raw.TOKEN}"})
    response = stream.getresponse()
    seen: dict[str, int] = {}
    out_of_order, late_ms = 0, list[float]()
    most, ends_at = sys.maxsize, float("inf")
    while len(late_ms) < most and time.monotonic() < ends_at and (line := response.readline()):
        if not line.startswith(b"data: "):
            if most == sys.maxsize and wanted.poll():
                most, ends_at = wanted.recv(), time.monotonic() + LONGEST_S
            continue
        now_ms, said = time.time() * 1000, json.loads(line[6:])
        if "type" not in said:  # hello
            wanted.send("begun")
        if said.get("type") not in PLACES:
            continue
        late_ms.append(now_ms - said["at"])
        if seen.get(said["id"], -1) + 1 != PLACES[said["type"]]:
            out_of_order += 1
        seen[said["id"]] = PLACES[said["type"]]
    wanted.send(Heard(len(late_ms), out_of_order, late_ms))


def idle(port: int, streams: int, is_packed: bool, ready: Connection) -> None:  # noqa: FBT001 - of a process
    """Open so many streams, read them until told to stop and all is read, send the bytes of each; its own process.

    `is_packed`: whether they ask for gzip, as browsers do.
    """
    elsewhere.go()
    heard: dict[object, int] = {}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for _ in range(streams):
            stream = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)))
            asked = {"Authorization": f"Bearer {raw.TOKEN}"} | ({"Accept-Encoding": "gzip"} if is_packed else {})
            stream.request("GET", f"/queues/{QUEUE}/events", headers=asked)
            response = stream.getresponse()
            assert response.status == http.HTTPStatus.OK, response.read()
            assert stream.sock is not None
            selector.register(stream.sock, selectors.EVENT_READ)
        ready.send("begun")
        while (came := selector.select(SILENT_S)) or not ready.poll():
            for key, _ in came:
                count = len(key.fileobj.recv(1 << 20))  # type: ignore[union-attr]
                assert count, "a stream has ended"
                heard[key.fileobj] = heard.get(key.fileobj, 0) + count
    ready.send(list(heard.values()))


@contextlib.contextmanager
def beside(target: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run a function in its own process during the block; it has said that it has begun."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    try:
        assert ours.recv() == "begun"
        yield ours
    finally:
        with contextlib.suppress(OSError):
            ours.send(0)
        process.join(LONGEST_S)


def work(queue: rowline.Queue, batch: int) -> int:
    """Claim and complete a batch; return how many jobs."""
    leases = queue.claim(batch)
    queue.finish(rowline.Completion(lease=lease) for lease in leases)
    return len(leases)


def add(queue: rowline.Queue, batch: int) -> int:
    """Add a batch; return how many jobs."""
    return len(queue.add_many([rowline.NewJob(name="n", data=DATA)] * batch))


@contextlib.contextmanager
def poster(port: int, batch: int) -> Iterator[Callable[[], int]]:
    """Yield what adds a batch and returns how many jobs; its request is made once, to leave the CPU to the service."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)
    body = json.dumps([{"name": "n", "data": DATA}] * batch)
    headers = {"Authorization": f"Bearer {raw.TOKEN}", "Content-Type": "application/json"}

    def post() -> int:
        connection.request("POST", f"/queues/{QUEUE}/jobs", body, headers)
        response = connection.getresponse()
        assert response.status == http.HTTPStatus.OK, response.read()
        response.read()
        return batch

    with contextlib.closing(connection):
        yield post


def told(port: int, *, seconds: float, rate: float, batch: int, is_worked: bool) -> list[str]:
    """Add at a rate, and work what is added if `is_worked`; return a row of what a client of the stream saw."""
    api = rowline.Rowline(f"http://127.0.0.1:{port}", raw.TOKEN)
    queue, added, worked = api.queue(QUEUE), 0, 0
    with beside(listen, port) as listener, poster(port, batch) as post:
        began_at = time.perf_counter()
        while (passed_s := time.perf_counter() - began_at) < seconds:
            if added <= rate * passed_s:
                added += post()
                worked += work(queue, batch) if is_worked else 0
            else:
                time.sleep(min(0.001, batch / rate))
        took_s = time.perf_counter() - began_at
        while is_worked and worked < added:
            worked += work(queue, batch)
        wanted = added + 2 * worked
        listener.send(wanted)
        queue.pause()
        queue.resume()  # something to hear for a client that has heard all
        heard: Heard = listener.recv()
    while work(queue, batch):
        pass
    api.close()
    late = [f"{percentile(heard.late_ms, share):.0f}" for share in (0.5, 0.99)]
    row = [f"{added / took_s:,.0f}", f"{wanted:,}", f"{max(0, wanted - heard.events):,}", f"{heard.out_of_order:,}"]
    return ["added and worked" if is_worked else "added", *row, *late, f"{max(heard.late_ms):.0f}"]


def pace(port: int, *, seconds: float, batch: int) -> float:
    """Add and work batches one after the other; return how many jobs a second."""
    with rowline.Rowline(f"http://127.0.0.1:{port}", raw.TOKEN) as api:
        queue, done, began_at = api.queue(QUEUE), 0, time.perf_counter()
        while (took_s := time.perf_counter() - began_at) < seconds:
            add(queue, batch)
            done += work(queue, batch)
        return done / took_s


def by_turns(sides: dict[str, Callable[[], float]], rounds: int) -> list[list[str]]:
    """Measure each side once a round, every other round backwards; return rows, with the ratio to the first one."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for nth in range(rounds):
        for name in list(sides)[:: 1 if nth % 2 else -1]:
            found[name].append(sides[name]())
            print(f"round {nth + 1}: {name}: {found[name][-1]:,.0f} jobs/s", file=sys.stderr, flush=True)
    base = next(iter(found.values()))
    rows = []
    for name, values in found.items():
        ratios = [value / other for value, other in zip(values, base, strict=True)]
        shown = [f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
        rows.append([name, f"{statistics.median(values):,.0f}", *shown])
    return rows


@click.command()
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Of a round.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Of each side, by turns.")
@click.option("--rate", type=click.FloatRange(1), default=20_000.0, show_default=True, help="Jobs a second.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=500, show_default=True, help="Jobs of a request.")
@click.option("--streams", type=click.IntRange(1, 200), default=100, show_default=True)
def bench(*, seconds: float, rounds: int, rate: float, batch: int, streams: int) -> None:
    """Measure how late events are, and what they cost."""
    with clusters.cluster() as cluster, contextlib.ExitStack() as stack:
        stack.enter_context(elsewhere.allowed())
        other = databases.prepare(stack.enter_context(databases.fresh(cluster.url)))
        telling = stack.enter_context(raw.server(databases.prepare(cluster.url))).port
        quiet = stack.enter_context(raw.server(other, ROWLINE_EVENTS="off")).port
        rows = [["jobs, beside one stream", "jobs/s", "events", "missing", "disordered", "p50 ms", "p99 ms", "most ms"]]
        asked: dict[str, Any] = {"seconds": seconds, "rate": rate, "batch": batch}
        rows += [told(telling, **asked, is_worked=False), told(telling, **asked, is_worked=True)]
        print(f"{report.table(rows)}\n", flush=True)

        heard: dict[bool, list[list[int]]] = {True: [], False: []}

        def crowded(*, is_packed: bool) -> float:
            with beside(idle, telling, streams, is_packed) as readers:
                found = pace(telling, seconds=seconds, batch=batch)
                readers.send(0)
                heard[is_packed].append(readers.recv())
            return found

        def alone(port: int) -> Callable[[], float]:
            return lambda: pace(port, seconds=seconds, batch=batch)

        for head, sides in {
            "added and worked in batches": {
                "no stream": alone(telling),
                f"{streams} streams in gzip": lambda: crowded(is_packed=True),
                f"{streams} streams": lambda: crowded(is_packed=False),
            },
            "the same": {"ROWLINE_EVENTS=off": alone(quiet), "with events": alone(telling)},
        }.items():
            print(f"{report.table([[head, 'jobs/s', 'ratio', 'min to max'], *by_turns(sides, rounds)])}\n", flush=True)
        for is_packed, rounds_of in heard.items():
            least, most = (statistics.median(pick(each) for each in rounds_of) / 2**20 for pick in (min, max))
            kind = "in gzip" if is_packed else "as text"
            print(f"A stream {kind} was sent {least:,.2f} to {most:,.2f} MiB a round, {streams} streams as much each.")


if __name__ == "__main__":
    bench()
