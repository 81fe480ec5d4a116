"""`make bench-depth`: Rowline beside itself: empty and deep, young and old, alone and beside a flood."""

import contextlib
import dataclasses
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from app.infra import settings
from app.infra.settings import Settings, SettingsError
from tests.bench import aging, deep, place, report
from tests.bench.deep import Finding
from tests.bench.place import Place
from tests.bench.programs import BenchError
from tests.support import clusters

MILLION = 1_000_000
SNAPSHOT = 900_000  # jobs: ten minutes at 1,500 a second
PARTS: dict[str, Callable[[Place, Place, "Sizes"], Iterator[Finding]]] = {
    "levels": lambda empty, full, sizes: deep.levels(empty, full, million=sizes.million, rounds=sizes.rounds),
    "snapshot": lambda empty, full, sizes: aging.snapshot(empty, full, count=sizes.snapshot),
    "calls": lambda empty, full, sizes: aging.calls(empty, full, count=sizes.million),
    "growth": lambda empty, full, sizes: aging.growth(empty, full, count=sizes.million, rounds=sizes.rounds),
    "flood": lambda empty, full, sizes: aging.flood(empty, full, count=sizes.million),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a scale makes of the sizes."""

    million: int
    snapshot: int
    rounds: int


@click.command()
@click.option("--scale", type=click.FloatRange(0.001, 1), default=1.0, show_default=True, help="Of all depths, ages.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Of each level, in turn.")
@click.option("--seconds", type=click.IntRange(1, 60), default=2, show_default=True, help="A measurement.")
@click.option("--only", multiple=True, type=click.Choice([*PARTS]), help="A part; may be repeated.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all findings.")
def bench(*, scale: float, rounds: int, seconds: int, only: tuple[str, ...], json_file: Path | None) -> None:
    """Measure what depth and age cost, and say which goals are met."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that every `finally` is seen to
    sizes = Sizes(million=round(MILLION * scale), snapshot=round(SNAPSHOT * scale), rounds=rounds)
    found: list[Finding] = []
    try:
        chosen = settings.from_env(os.environ)
        with _two(chosen, seconds=seconds, backlog=max(20_000, sizes.million // 10)) as (empty, full):
            print(f"{report.place(chosen, full.connection)}\nCommand: {shlex.join(sys.orig_argv)}\n", flush=True)
            for name in (name for name in PARTS if not only or name in only):
                for finding in PARTS[name](empty, full, sizes):
                    found.append(finding)
                    print(f"{finding.line}: {finding.words}", file=sys.stderr, flush=True)
                full.empty()
    except (BenchError, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    print(f"{table(found)}\n\nScale {scale:g}: a million is {sizes.million:,}.")
    if json_file:
        json_file.write_text(json.dumps([dataclasses.asdict(finding) for finding in found], indent=1) + "\n")


@contextlib.contextmanager
def _two(chosen: Settings, *, seconds: int, backlog: int) -> Iterator[tuple[Place, Place]]:
    """Make two places on one server, so that what is measured in turn needs not be filled in turn."""
    with contextlib.ExitStack() as stack:
        if chosen.database_url is None:
            server = stack.enter_context(clusters.cluster(postgres_bin=chosen.postgres_bin))
            chosen = dataclasses.replace(chosen, database_url=server.url)
        first, second = (stack.enter_context(place.opened(chosen, seconds=seconds, backlog=backlog)) for _ in range(2))
        yield first, second


def table(found: Sequence[Finding]) -> str:
    """Lay out a line for each finding."""
    head = ["line", "before, or empty", "then", "ratio", "goal", "mark"]
    return report.table([head, *([finding.line, *finding.cells()] for finding in found)])


if __name__ == "__main__":
    bench()
