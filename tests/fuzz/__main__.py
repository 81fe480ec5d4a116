"""`make fuzz`: a million requests that nobody should send, against a real server on a database of its own."""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import SystemRandom

import click

from tests.fuzz import cases as all_cases
from tests.fuzz import client, run
from tests.support import clusters, databases


@click.command()
@click.option("--cases", type=click.IntRange(10), default=1_000_000, show_default=True, help="How many.")
@click.option("--seconds", type=click.FloatRange(1), default=float("inf"), help="Ends a run before that.")
@click.option("--seed", type=int, help="Repeats a run; none: a new one, printed.")
@click.option("--clients", type=click.IntRange(1, 64), default=3, show_default=True, help="Processes that send.")
@click.option("--case", type=int, help="Send this case of the seed alone, and show what came.")
def fuzz(cases: int, seconds: float, seed: int | None, clients: int, case: int | None) -> None:
    """Send fuzzed requests; exit with 1 when an answer, the table or the memory was not as promised."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every `finally` is seen to
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    print(f"seed {seed}", flush=True)
    with _database() as url, run.server(url) as server:
        if case is not None:
            print(all_cases.make(seed, case), client.run(server.port, seed, [case]), sep="\n")
            return
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(clients, mp_context=spawn) as pool:
            result = run.fuzz(
                server, url, pool, seed=seed, cases=cases, seconds=seconds, tell=lambda line: print(line, flush=True)
            )
        violations = result.violations()
        if violations:
            print(server.program.output[-5_000:])
    print(f"\n{run.report(result, seed=seed)}")
    for violation in violations:
        print(f"VIOLATION {violation}")
    sys.exit(1 if violations else 0)


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """Make a database at head, on the server of DATABASE_URL or on one of our own."""
    with contextlib.ExitStack() as stack:
        named = os.environ.get("ROWLINE_POSTGRES_BIN")
        server = (
            os.environ.get("DATABASE_URL")
            or stack.enter_context(clusters.cluster(postgres_bin=Path(named) if named else None)).url
        )
        url = stack.enter_context(databases.fresh(server))
        yield databases.prepare(url)


if __name__ == "__main__":
    fuzz()
