"""What a run prints: where it ran, the lines with their marks, and what each side took."""

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from app.infra.settings import Settings
from tests.bench import driven, sample
from tests.bench.goals import Goal, Limit, Results
from tests.bench.sample import Sample

SHOWN = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "wal_compression")
BIG = 100  # from where on decimals say nothing


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows, of which the first is the head; the first column is words, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_laid_out(row, widths) for row in rows)


def _laid_out(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()


def number(value: float) -> str:
    """Say a figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= BIG else f"{value:.2f}"


def median(samples: Sequence[Sample]) -> float:
    """Return the median figure."""
    return statistics.median(sample.value for sample in samples)


def goals(wanted: Sequence[Goal | Limit], results: Results) -> str:
    """Lay out a line for each goal of which one side at least was measured."""
    head = ["line", "Rowline", "held against", "ratio", "min to max", "goal", "mark"]
    measured = [goal for goal in wanted if goal.side in results]
    return table([head, *(_line(goal, results) for goal in measured)])


def _line(goal: Goal | Limit, results: Results) -> list[str]:
    ours, base = results[goal.side], results.get(goal.base, [])
    if goal.base and not base:
        return [
            goal.side,
            f"{number(median(ours))} {ours[0].unit}",
            f"- {goal.base}",
            "",
            "",
            goal.words,
            "NOT MEASURED",
        ]
    value = goal.of(ours) if isinstance(goal, Limit) else median(ours)
    against = median(base) if base else 0.0
    rounds = [a.value / b.value for a, b in zip(ours, base, strict=False)]
    return [
        goal.side,
        f"{number(value)} {ours[0].unit}",
        f"{number(against)} {goal.base}" if base else "",
        f"{value / against:.2f}" if base else "",
        f"{min(rounds):.2f} to {max(rounds):.2f}" if rounds else "",
        goal.words,
        goal.mark(value, against),
    ]


def sides(results: Results) -> str:
    """Lay out every side: its figure, its spread, and the CPU that it took."""
    head = ["side", "median", "min to max", "p50 ms", "p99 ms", "cores: µs for each"]
    return table([head, *(_side(name, samples) for name, samples in results.items() if samples)])


def _side(name: str, samples: Sequence[Sample]) -> list[str]:
    values = [sample.value for sample in samples]
    middle, unit = statistics.median(values), samples[0].unit
    cores = sample.medians([one.cores for one in samples])
    more = sample.medians([one.more for one in samples])
    shown = [
        f"{part} {used:.2f}" + (f": {used / middle * 1e6:.0f}" if unit.endswith("/s") else "")
        for part, used in sorted(cores.items())
    ]
    waits = [f"{more[key]:.1f}" if key in more else "" for key in ("p50_ms", "p99_ms")]
    return [
        name,
        f"{number(middle)} {unit}",
        f"{number(min(values))} to {number(max(values))}",
        *waits,
        ", ".join(shown),
    ]


def memory(rss: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Say how much memory every process had."""
    lines = []
    for when, parts in rss.items():
        shown = [f"{part} {' '.join(f'{size:.0f}' for size in sizes)}" for part, sizes in parts.items()]
        lines.append(f"  {when}: {'; '.join(shown)}")
    return (
        "RSS of every process in MiB, when the part that is named had worked; PostgreSQL's with what it shares:\n"
        + ("\n".join(lines))
    )


def as_json(path: Path, *, place: str, results: Results, more: Mapping[str, Any]) -> None:
    """Write all rounds into a file."""
    rounds = {name: [asdict(one) for one in samples] for name, samples in results.items()}
    path.write_text(json.dumps({"place": place.splitlines(), "rounds": rounds, **more}, indent=1) + "\n")


def place(chosen: Settings, connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """Say on what a run was made."""
    shown = [f"{name}={(connection.execute(f'show {name}').fetchone() or '?')[0]}" for name in SHOWN]
    packages = ("gunicorn", "gevent", "Flask", "psycopg", "SQLAlchemy", "orjson")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    server = connection.info.parameter_status("server_version")
    whose = "of DATABASE_URL" if chosen.database_url else "embedded"
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"""\
PostgreSQL {server} ({whose}): {", ".join(shown)}
Python {platform.python_version()}, {", ".join(versions)} ({psycopg.pq.__impl__})
API: {chosen.api_processes} processes, {chosen.api_connections} database connections each, logs {chosen.log_level}
Worker: batches of at most {chosen.max_batch}. Load client: {driven.client()}
{os.cpu_count()} cores for client, service and database together; load average before: {loads}"""
