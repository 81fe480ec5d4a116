"""`make bench`: Rowline beside raw PostgreSQL in the same run, in turn. No goals; read the ratios."""

import contextlib
import os
import secrets
import shlex
import signal
import sys
from collections.abc import Callable, Iterator

import click
import psycopg

from app.infra import libpq, schema, settings
from app.infra.settings import Settings, SettingsError
from tests.bench import report
from tests.bench.programs import BenchError
from tests.bench.report import Line
from tests.bench.sides import Sides
from tests.support import clusters, databases

POSTS = ((1, 16), (100, 4), (1_000, 4))  # jobs a request, connections
CONNECTIONS = 16


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Of each side, in turn.")
@click.option("--seconds", type=click.FloatRange(0.2, 60), default=3.0, show_default=True, help="A round of adding.")
@click.option(
    "--backlog",
    type=click.IntRange(1_000, 1_000_000),
    default=20_000,
    show_default=True,
    help="Jobs a round of working, to the next lower 1,000.",
)
def bench(rounds: int, seconds: float, backlog: int) -> None:
    """Print the rates of Rowline and of raw PostgreSQL, measured in turn in this run."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that every `finally` is seen to
    backlog -= backlog % 1_000
    try:
        chosen = settings.from_env(os.environ)
        with (
            _database(chosen) as url,
            psycopg.connect(libpq.normal(url), autocommit=True) as connection,
            clusters.folder() as folder,
        ):
            print(f"{report.place(chosen, connection)}\nCommand: {shlex.join(sys.orig_argv)}\n", flush=True)
            sides = Sides(
                connection,
                env=_environment(url),
                folder=folder,
                processes=chosen.api_processes,
                seconds=seconds,
                backlog=backlog,
            )
            _measure(sides, rounds=rounds, backlog=backlog)
    except (BenchError, SettingsError) as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _database(chosen: Settings) -> Iterator[str]:
    """Make a database at head, on the server of DATABASE_URL or on one of our own."""
    with contextlib.ExitStack() as stack:
        server = chosen.database_url
        if server is None:
            server = stack.enter_context(clusters.cluster(postgres_bin=chosen.postgres_bin)).url
        url = stack.enter_context(databases.fresh(server))
        schema.upgrade(url)
        yield url


def _environment(url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "AUTH_TOKENS": secrets.token_urlsafe(24),
        "HOST": "127.0.0.1",
        "PORT": str(clusters.free_port()),
        "PYTHONPATH": ":".join(clusters.IMPORTABLE),
    }


def _measure(sides: Sides, *, rounds: int, backlog: int) -> None:
    lines = []
    with sides.api():
        ceiling = sides.live(connections=CONNECTIONS)
        for size, connections in POSTS:
            line = Line(f"POST of {size:,}, {connections} connections")
            lines.append(line)
            _in_turn(line, _post(sides, line, size, connections), _insert(sides, size), rounds)
    lines.append(Line(f"one worker, {backlog:,} jobs"))
    _in_turn(lines[-1], sides.work, sides.claim, rounds)
    print(f"\n{report.table(lines)}\n\n{report.ceiling(ceiling, connections=CONNECTIONS)}")
    print(f"Medians of {rounds} rounds. The client's share of the cores is included in Rowline's figures.")


def _post(sides: Sides, line: Line, size: int, connections: int) -> Callable[[], float]:
    def post() -> float:
        count = sides.post(size=size, connections=connections)
        line.client_cores.append(count.cores)
        return count.rate

    return post


def _insert(sides: Sides, size: int) -> Callable[[], float]:
    return lambda: sides.insert(size=size)


def _in_turn(line: Line, rowline: Callable[[], float], raw: Callable[[], float], rounds: int) -> None:
    for number in range(1, rounds + 1):
        line.rowline.append(rowline())
        line.raw.append(raw())
        rates = f"Rowline {line.rowline[-1]:>9,.0f}   raw {line.raw[-1]:>9,.0f}"
        print(f"{line.name}, round {number}: {rates}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    bench()
