"""`make promises`: the promises that are figures, each measured at its size; about ten minutes."""

import sys
import time
from collections.abc import Callable, Iterable

import click

from tests.measured import claims, kills, outage, pauses, poison, queues, removing, revoked, rounds, wakeups
from tests.measured.figure import Figure

PARTS: dict[str, Callable[[], Iterable[Figure]]] = {
    "claims": claims.measure,
    "kills": kills.measure,
    "poison": poison.measure,
    "outage": outage.measure,
    "wakeups": wakeups.measure,
    "rounds": rounds.measure,
    "revoked": revoked.measure,
    "pauses": pauses.measure,
    "queues": queues.measure,
    "removing": removing.measure,
}


@click.command()
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="These alone.")
def promises(only: tuple[str, ...]) -> None:
    """Measure, print a line a promise, and exit with 1 when one is broken."""
    figures = []
    for name in only or PARTS:
        began_at = time.monotonic()
        for figure in PARTS[name]():
            figures.append(figure)
            print(figure.line(), flush=True)
        print(f"       ({name}: {time.monotonic() - began_at:.0f} s)", flush=True)
    sys.exit(0 if all(figure.is_kept for figure in figures) else 1)


if __name__ == "__main__":
    promises()
