"""`make calm`: many jobs, many pullers, nobody hurt: each job runs exactly once."""

import json
import sys
import threading
import time
from collections import Counter
from typing import Any

import click

from tests.support import clusters, databases, raw
from tests.support.clusters import until
from tests.support.family import children
from tests.support.wire import Wire

BATCH = 1_000
MOST = 20


class Taker(threading.Thread):
    """Claims and finishes until nothing comes any more; counts what it ran."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.ran: Counter[str] = Counter()
        self.refused = 0
        self._port = port

    def run(self) -> None:
        with Wire(self._port) as wire:
            told: list[dict[str, Any]] = []
            while True:
                jobs = self._ask(wire, "finish", {"jobs": told, "claim": {"count": MOST}}) if told else []
                jobs = jobs or self._ask(wire, "claim", {"count": MOST, "wait": 1_000})
                if not jobs:
                    return
                self.ran.update(lease["job"]["id"] for lease in jobs)
                told = [{"id": lease["job"]["id"], "token": lease["token"]} for lease in jobs]

    def _ask(self, wire: Wire, path: str, body: object) -> list[dict[str, Any]]:
        wire.send(raw.request("POST", f"/queues/calm/jobs/{path}", body=json.dumps(body).encode()))
        answer = wire.answer()
        assert answer.status == 200, answer.body
        said = answer.json()
        self.refused += sum(one["status"] != "completed" for one in said.get("finished", []))
        return list(said["jobs"])


def run(url: str, *, jobs: int, pullers: int) -> tuple[Counter[str], int]:
    """Add and work `jobs`; return how often each ran, and how many words were refused."""
    with raw.server(url, ROWLINE_API_PROCESSES="2") as server:
        until(lambda: len(children(server.program.pid)) == 2)
        for start in range(0, jobs, BATCH):
            body = json.dumps([{"name": "n", "data": nth} for nth in range(start, min(jobs, start + BATCH))]).encode()
            [added] = server.ask(raw.request("POST", "/queues/calm/jobs", body=body), wanted=1)
            assert added.status == 200, added.body
        takers = [Taker(server.port) for _ in range(pullers)]
        for taker in takers:
            taker.start()
        ran: Counter[str] = Counter()
        for taker in takers:
            taker.join()
            ran += taker.ran
        return ran, sum(taker.refused for taker in takers)


@click.command()
@click.option("--jobs", type=click.IntRange(1, 10_000_000), default=50_000, show_default=True)
@click.option("--pullers", type=click.IntRange(1, 256), default=16, show_default=True)
def calm(jobs: int, pullers: int) -> None:
    """Work jobs over HTTP in peace; exit with 1 unless each ran exactly once."""
    with clusters.cluster() as cluster:
        url = databases.prepare(cluster.url)
        began = time.monotonic()
        ran, refused = run(url, jobs=jobs, pullers=pullers)
    again = sum(count > 1 for count in ran.values())
    print(
        f"{jobs:,} jobs, {pullers} pullers: {len(ran):,} ran, {again} of them again, {refused} words refused; ", end=""
    )
    print(f"{time.monotonic() - began:.1f} s")
    sys.exit(0 if (len(ran), again, refused) == (jobs, 0, 0) else 1)


if __name__ == "__main__":
    calm()
