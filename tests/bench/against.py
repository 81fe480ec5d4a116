"""`make bench-against BASE=…`: this checkout beside another one, installed as this is, in turn: `make bench` of each.

A round is one of each side, begun by the one and by the other in turn. What is quoted is the median of the rounds'
ratios with the interval that holds the true one in nineteen of twenty cases, whatever their distribution is.
"Add to start" differs by a tenth from one start of the same service to the next. So both services are on at a time for
it, and measure by turns of four seconds.
"""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from tests.bench import report, starting
from tests.bench.goals import GOALS
from tests.bench.programs import BenchError
from tests.support.clusters import ROOT

SURE = 0.95
ENOUGH = 0.97
START, TURNS = "start", 4
GROUPS = ("batches", "single", "reads", "work", "push", START, "writers")


@click.command()
@click.argument("base", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1, 50), default=9, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([*GROUPS, "counts"]), help="A group; may be repeated.")
def bench(*, base: Path, rounds: int, only: tuple[str, ...]) -> None:
    """Measure, and print the ratios of this checkout to BASE: more is better, of times the inverse."""
    ratios: dict[str, list[float]] = {}
    for nth in range(rounds):
        order = (ROOT, base.absolute())[:: 1 if nth % 2 else -1]
        chosen = only or GROUPS
        found = {place: _measured(place, [group for group in chosen if group != START]) for place in order}
        for place, samples in (_by_turns(order) if START in chosen else {}).items():
            found[place][starting.LINE] = samples
        for goal in GOALS:
            if goal.side in found[ROOT] and goal.side in found[base.absolute()]:
                ratios.setdefault(goal.side, []).append(
                    _ratio(found[ROOT][goal.side], found[base.absolute()][goal.side])
                )
        print(
            f"round {nth + 1}: {', '.join(f'{found[-1]:.2f}' for found in ratios.values())}",
            file=sys.stderr,
            flush=True,
        )
    rows = [[side, *_row(found)] for side, found in ratios.items()]
    print(report.table([["line", "of the other", "interval", f">= {ENOUGH}"], *rows]))
    print(f"Medians of {rounds} rounds of each in turn, with their {SURE:.0%} intervals by order statistics.")


def _measured(place: Path, groups: Sequence[str]) -> dict[str, list[Any]]:
    """Run one round of a checkout's own `make bench`."""
    if not groups:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rounds.json"
        words: list[str | Path] = [
            place / ".venv" / "bin" / "python",
            "-m",
            "tests.bench",
            "--rounds",
            "1",
            "--json",
            file,
        ]
        words += [word for group in groups for word in ("--only", group)]
        subprocess.run(words, cwd=place, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rounds: dict[str, list[Any]] = json.loads(file.read_text())["rounds"]
        return rounds


def _by_turns(places: Sequence[Path]) -> dict[Path, list[Any]]:
    """Measure "add to start" of checkouts whose services are on at the same time. Raises BenchError."""
    found: dict[Path, list[Any]] = {place: [] for place in places}
    with contextlib.ExitStack() as ends:
        services = {place: ends.enter_context(_service(place)) for place in places}
        for service in services.values():
            _line(service)
        for nth in range(TURNS):
            for place in places[:: -1 if nth % 2 else 1]:
                services[place].stdin.write("\n")
                services[place].stdin.flush()
                found[place].append({"value": float(_line(services[place])), "unit": "ms"})
    return found


@contextlib.contextmanager
def _service(place: Path) -> Iterator[Any]:
    words: list[str | Path] = [place / ".venv" / "bin" / "python", "-P", Path(__file__).with_name("turn.py")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environ = os.environ | {"PYTHONPATH": str(place)}
    with subprocess.Popen(words, cwd=place, env=environ, text=True, **pipes) as service:
        yield service  # at the end of its input it ends


def _line(service: Any) -> str:
    if not (line := service.stdout.readline()):
        raise BenchError("a service that is measured by turns has ended")
    return str(line)


def _ratio(ours: list[Any], theirs: list[Any]) -> float:
    is_time = ours[0]["unit"] == "ms"
    mine, other = (statistics.median(one["value"] for one in samples) for samples in (ours, theirs))
    return float(other / mine if is_time else mine / other)


def _row(ratios: Sequence[float]) -> list[str]:
    ordered, middle = sorted(ratios), statistics.median(ratios)
    low, high = interval(ordered)
    mark = "met" if middle >= ENOUGH else "NOT MET" if high < ENOUGH else "not met, within noise"
    return [f"{middle:.3f}", f"{low:.3f} to {high:.3f}", mark]


def interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest pair of order statistics that holds the median so surely, by the binomial distribution."""
    count, outside = len(ordered), 0.0
    depth = 0
    while 2 * (outside + math.comb(count, depth) / 2**count) <= 1 - SURE:
        outside += math.comb(count, depth) / 2**count
        depth += 1
    return ordered[max(0, depth - 1)], ordered[-max(1, depth)]


if __name__ == "__main__":
    bench()
