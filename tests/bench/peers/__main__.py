"""`make bench-peers`: Rowline and other queues in turn, on the same server, with the same jobs."""

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from app.infra import settings
from app.infra.settings import SettingsError
from app.local import processes
from app.postgres import libpq
from tests.bench import jobs, place, report, starting
from tests.bench.peers import catalog, rowline, verdict
from tests.bench.peers.catalog import NotInstalled, Peer
from tests.bench.place import Place
from tests.bench.programs import BenchError
from tests.bench.sample import Sample
from tests.support import clusters, databases

LONGEST_S = 60  # that a peer may take to work its backlog
WITHIN_S = 240.0
Results = dict[str, list[Sample]]


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Of each, in turn.")
@click.option("--seconds", type=click.IntRange(1, 60), default=1, show_default=True, help="A round of adding.")
@click.option(
    "--backlog", type=click.IntRange(1_000, 10_000_000), default=100_000, show_default=True, help="Jobs to work."
)
@click.option("--only", multiple=True, type=click.Choice([peer.folder for peer in catalog.PEERS]), help="Some peers.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all rounds.")
def bench(*, rounds: int, seconds: int, backlog: int, only: tuple[str, ...], json_file: Path | None) -> None:
    """Measure Rowline beside other queues, and say which goals are met."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that every `finally` is seen to
    wanted = [peer for peer in catalog.PEERS if not only or peer.folder in only]
    troubles: dict[str, str] = {}
    versions: dict[str, str] = {}
    results: Results = {}
    ready = [peer for peer in wanted if _installed(peer, troubles)]
    try:
        chosen = settings.from_env(os.environ)
        with contextlib.ExitStack() as stack:
            if chosen.database_url is None:
                server = stack.enter_context(clusters.cluster(postgres_bin=chosen.postgres_bin))
                on_server = dataclasses.replace(chosen, database_url=server.url)
            else:
                on_server = chosen
            on = stack.enter_context(place.opened(on_server, seconds=seconds, backlog=backlog))
            where = f"{report.place(chosen, on.connection)}\nCommand: {shlex.join(sys.orig_argv)}"
            print(f"{where}\n", flush=True)
            for nth in range(1, rounds + 1):
                _rowline(on, results, nth)
                for peer in ready:
                    _round(on, peer, results, versions, troubles, nth)
    except (BenchError, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    print(verdict.tables(wanted, results, versions=versions, troubles=troubles))
    print(f"\nMedians of {rounds} rounds in turn. A backlog is {backlog:,} jobs, less of them for the slow.")
    if json_file:
        report.as_json(json_file, place=where, results=results, more={"versions": versions, "troubles": troubles})


def _installed(peer: Peer, troubles: dict[str, str]) -> bool:
    try:
        print(f"Installing {peer.name}", file=sys.stderr, flush=True)
        catalog.install(peer)
    except NotInstalled as error:
        troubles[peer.name] = f"not installed: {error}"
    return peer.name not in troubles


def _note(results: Results, who: str, figure: str, sample: Sample, nth: int) -> None:
    results.setdefault(f"{who}: {figure}", []).append(sample)
    said = f"{report.number(sample.value)} {sample.unit}"
    print(f"round {nth}: {who}: {verdict.FIGURES[figure]}: {said}", file=sys.stderr, flush=True)


def _rowline(on: Place, results: Results, nth: int) -> None:
    for figure, sample in rowline.measure(on):
        _note(results, rowline.NAME, figure, sample, nth)


def _round(
    on: Place, peer: Peer, results: Results, versions: dict[str, str], troubles: dict[str, str], nth: int
) -> None:
    """Have one peer measured once, on a database of its own. One that failed before is left out."""
    if peer.name in troubles:
        return
    try:
        with _redis(peer, on.folder) as redis, databases.fresh(on.chosen.require_database_url()) as url:
            found = _run(on, peer, {"url": libpq.normal(url), "redis_port": redis})
    except (BenchError, OSError, subprocess.SubprocessError, ValueError) as error:
        troubles[peer.name] = f"failed in round {nth}: {error}"
        print(troubles[peer.name], file=sys.stderr, flush=True)
        return
    versions[peer.name] = found.pop("version")
    for figure, value in found.items():
        unit = "ms" if figure.endswith("_ms") else "jobs/s"
        _note(results, peer.name, figure, Sample(value=value, unit=unit), nth)


def _run(on: Place, peer: Peer, more: Mapping[str, Any]) -> dict[str, Any]:
    payloads = on.write("payloads.txt", [jobs.data(number) for number in range(jobs.DIFFERENT)])
    config = {
        "seconds": on.seconds,
        "backlog": max(1_000, round(on.backlog * peer.share)),
        "jobs": str(payloads),
        "longest_s": LONGEST_S,
        "latency_s": on.seconds + starting.SECONDS_MORE,
        "latency_rate": starting.RATE,
        "adding": [(figure, in_flight, size) for figure, (size, in_flight) in rowline.POSTS.items()],
        **more,
    }
    with subprocess.Popen(
        peer.command(),
        cwd=peer.cwd,
        env=os.environ | {"BENCH": json.dumps(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=processes.tie(signal.SIGTERM),  # noqa: PLW1509 - we have no threads
    ) as process:
        try:
            said, complaint = process.communicate(timeout=WITHIN_S)
        finally:
            process.kill()
    if process.returncode or not said.strip():
        raise BenchError(f"exit {process.returncode}: {complaint.strip()[-400:]}")
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


@contextlib.contextmanager
def _redis(peer: Peer, folder: Path) -> Iterator[int]:
    """Run a Redis that forgets nothing, for a peer that needs it; else give 0."""
    program = shutil.which(peer.needs) if peer.needs else None
    if program is None:
        yield 0
        return
    port, data = clusters.free_port(), folder / "redis"
    data.mkdir(exist_ok=True)
    words = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(data),
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    with subprocess.Popen(
        [*words, "--appendfsync", "always", "--maxmemory-policy", "noeviction"],
        stdout=subprocess.DEVNULL,
        preexec_fn=processes.tie(signal.SIGTERM),  # noqa: PLW1509 - we have no threads
    ) as process:
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(data)


if __name__ == "__main__":
    bench()
