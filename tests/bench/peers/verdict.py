"""What a run beside peers prints: every figure, and a mark for each goal."""

import statistics
from collections.abc import Mapping, Sequence

from tests.bench import report
from tests.bench.goals import Goal, Limit, Results
from tests.bench.peers import rowline
from tests.bench.peers.catalog import Peer
from tests.bench.sample import Sample

FIGURES = {
    "one": "one by one",
    "in16": "16 in flight",
    "in50": "50 in flight",
    "bulk100": "bulk of 100",
    "bulk1000": "bulk of 1,000",
    "process": "process, best",
    "process1": "process, one each",
    "p50_ms": "start p50 ms",
    "p99_ms": "start p99 ms",
    "max_ms": "start max ms",
}
BULLMQ, GRAPHILE, BOSS = "BullMQ on PostgreSQL", "graphile-worker", "pg-boss"
FASTEST = "fastest of PostgreSQL's"


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.value for sample in samples)


def _at_least(figure: str, peer: str, least: float, theirs: str = "") -> Goal:
    return Goal(side=f"{rowline.NAME}: {figure}", base=f"{peer}: {theirs or figure}", least=least)


def _at_most(figure: str, peer: str, most: float) -> Limit:
    return Limit(
        side=f"{rowline.NAME}: {figure}",
        base=f"{peer}: {figure}",
        words=f"<= {most:g} x",
        most=lambda base: most * base,
        of=_median,
    )


GOALS: tuple[Goal | Limit, ...] = (
    _at_least("bulk100", BULLMQ, 3),
    _at_least("bulk1000", FASTEST, 1.5),
    _at_least("in16", BULLMQ, 1.3),
    _at_least("in50", BULLMQ, 1.3),
    _at_least("process", GRAPHILE, 1),
    _at_least("process", BULLMQ, 15),
    _at_least("process1", BULLMQ, 1.5, "process"),
    _at_most("p50_ms", GRAPHILE, 1.2),
    _at_most("p99_ms", GRAPHILE, 1),
)


def tables(peers: Sequence[Peer], results: Results, *, versions: Mapping[str, str], troubles: Mapping[str, str]) -> str:
    """Lay out all figures with their ratios to Rowline, then the goals."""
    found = dict(results)
    if fastest := _fastest(peers, results, "bulk1000"):
        found[f"{FASTEST}: bulk1000"] = fastest
    rows = [_row(rowline.NAME, results), *(_row(peer.name, results, versions.get(peer.name, "")) for peer in peers)]
    faults = [f"{name}: {trouble}" for name, trouble in troubles.items()]
    head = ["jobs/s (Rowline is so many times that)", *FIGURES.values()]
    return "\n".join([report.table([head, *rows]), *faults, "", report.goals(GOALS, found)])


def _row(name: str, results: Results, version: str = "") -> list[str]:
    return [f"{name} {version}".strip(), *(_cell(name, figure, results) for figure in FIGURES)]


def _cell(name: str, figure: str, results: Results) -> str:
    theirs, ours = results.get(f"{name}: {figure}"), results.get(f"{rowline.NAME}: {figure}")
    if not theirs:
        return "-"
    if not ours or name == rowline.NAME:
        return report.number(_median(theirs))
    return f"{report.number(_median(theirs))} ({_median(ours) / _median(theirs):.2f})"


def _fastest(peers: Sequence[Peer], results: Results, figure: str) -> Sequence[Sample]:
    """Return the samples of the fastest peer that has its jobs in PostgreSQL."""
    measured = [results[key] for peer in peers if not peer.needs and (key := f"{peer.name}: {figure}") in results]
    return max(measured, key=_median, default=())
