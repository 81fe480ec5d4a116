"""`make bench`: Rowline beside the limits of this machine in the same run, in turn, with a mark for each goal."""

import contextlib
import functools
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from app.infra import settings
from app.infra.settings import SettingsError
from tests.bench import adding, chart, cost, place, pushing, reading, report, starting, working, writing
from tests.bench.adding import Sides
from tests.bench.goals import GOALS
from tests.bench.place import Place
from tests.bench.programs import BenchError
from tests.bench.sample import Sample

Group = Callable[[Place], contextlib.AbstractContextManager[Sides]]
GROUPS: dict[str, Group] = {
    "batches": adding.batches,
    "single": adding.single,
    "reads": reading.over_http,
    "work": working.backlog,
    "push": pushing.pushing,
    "start": starting.latency,
    "writers": writing.writers,
}


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Of each side, in turn.")
@click.option("--seconds", type=click.IntRange(1, 60), default=1, show_default=True, help="A round of adding, reading.")
@click.option(
    "--backlog",
    type=click.IntRange(1_000, 10_000_000),
    default=50_000,
    show_default=True,
    help="Jobs in a round of working; a tenth of them for push.",
)
@click.option("--big", type=int, default=1_000_000, show_default=True, help="Jobs of the queue that is counted.")
@click.option("--only", multiple=True, type=click.Choice([*GROUPS, "counts", "cost"]), help="A group; may be repeated.")
@click.option("--chart", "chart_file", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG chart.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all rounds.")
def bench(
    *,
    rounds: int,
    seconds: int,
    backlog: int,
    big: int,
    only: tuple[str, ...],
    chart_file: Path | None,
    json_file: Path | None,
) -> None:
    """Measure Rowline beside the limits of this machine, and say which goals are met."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that every `finally` is seen to
    groups = GROUPS | {"counts": functools.partial(reading.counts, stored=big)}
    wanted = only or (*groups, "cost")
    try:
        chosen = settings.from_env(os.environ)
        with place.opened(chosen, seconds=seconds, backlog=backlog) as on:
            where = f"{report.place(chosen, on.connection)}\nCommand: {shlex.join(sys.orig_argv)}"
            print(f"{where}\n", flush=True)
            results: dict[str, list[Sample]] = {}
            for name in (name for name in groups if name in wanted):
                with groups[name](on) as sides:
                    in_turn(sides, results, rounds)
            costs = cost.measure(chosen) if "cost" in wanted else {}
    except (BenchError, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    print(f"\n{report.goals(GOALS, results)}\n\n{report.sides(results)}\n\n{report.memory(on.rss)}\n")
    if costs:
        print(f"{cost.table(costs)}\n")
    print(f"Medians of {rounds} rounds in turn; min to max of the ratios of each round; {big:,} jobs are counted.")
    if chart_file:
        chart.write(chart_file, results)
    if json_file:
        report.as_json(json_file, place=where, results=results, more={"cost": costs, "rss_mib": on.rss})


def in_turn(sides: Sides, results: dict[str, list[Sample]], rounds: int) -> None:
    """Measure each side once a round: every other round backwards, so that none is always the first."""
    for nth in range(1, rounds + 1):
        for name in list(sides)[:: 1 if nth % 2 else -1]:
            found = sides[name]()
            results.setdefault(name, []).append(found)
            print(f"round {nth}: {name}: {report.number(found.value)} {found.unit}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    bench()
