"""Charts of reports, written as SVG or PNG files."""

import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import pygal

from app.queries.reports import Found

# Pygal installs an import hook for plugins that Rowline does not use; Python warns of its deprecated interface.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

Row = dict[str, Any]
TOP = 12  # the most bars or series: more could not be distinguished
STATUSES = ("waiting", "prioritized", "delayed", "active", "completed", "failed")


def write(found: Found, *, name: str, title: str, file: Path) -> None:
    """Draw the report `name` into `file`, an SVG, or a PNG where CairoSVG is installed. Raises ClickException."""
    if name not in CHARTS:
        raise click.ClickException(f"there is no chart of {name}; choose one of {', '.join(sorted(CHARTS))}")
    chart = CHARTS[name]([dict(zip(found.columns, row, strict=True)) for row in found.rows])
    chart.title = title
    match file.suffix.lower():
        case ".svg":
            drawn = chart.render()
        case ".png":
            drawn = _png(chart)
        case _:
            raise click.ClickException(f"{file}: the file name of a chart must end in .svg or .png")
    try:
        file.write_bytes(drawn)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _png(chart: Any) -> bytes:
    try:
        return bytes(chart.render_to_png())
    except ImportError as error:
        told = "a PNG needs the package cairosvg, which is not installed: pip install cairosvg, or name an .svg"
        raise click.ClickException(told) from error
    except OSError as error:  # how CairoSVG says it when it is imported
        told = "a PNG needs the library cairo: apt-get install libcairo2, brew install cairo, or name an .svg"
        raise click.ClickException(told) from error


def _options(**more: Any) -> dict[str, Any]:
    # Without pygal's scripts from a CDN: the file is self-contained and works offline.
    return {"js": (), "legend_at_bottom": True, "no_data_text": "no data"} | more


def _moments(rows: list[Row]) -> list[str]:
    """Return a label for each period, in order: dates, or dates with times where the periods are shorter than a day."""
    moments = sorted({row["from_at"] for row in rows})
    are_days = all(moment.hour == moment.minute == 0 for moment in moments)
    return [f"{moment:%Y-%m-%d}" if are_days else f"{moment:%m-%d %H:%M}" for moment in moments]


def _lines(kind: Callable[..., Any], rows: list[Row], members: Iterable[str], **more: Any) -> Any:
    """Draw one series per member; for several queues, one series per queue, of the first member."""
    moments = sorted({row["from_at"] for row in rows})
    queues = sorted({row["queue"] for row in rows})
    labels = _moments(rows)
    chart = kind(
        **_options(x_labels=labels, x_labels_major_count=8, show_minor_x_labels=False, x_label_rotation=30, **more)
    )
    series = [(queue, member) for queue in queues for member in members]
    if len(queues) > 1:
        first = next(iter(members))
        series = [(queue, first) for queue in queues[:TOP]]
    for queue, member in series:
        by_moment = {row["from_at"]: row[member] for row in rows if row["queue"] == queue}
        chart.add(queue if len(queues) > 1 else member, [_number(by_moment.get(moment)) for moment in moments])
    return chart


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _bars(rows: list[Row], label: Callable[[Row], str], members: Iterable[str]) -> Any:
    shown = rows[:TOP]
    chart = pygal.HorizontalStackedBar(**_options(x_labels=[label(row) for row in shown]))
    for member in members:
        chart.add(member, [_number(row[member]) for row in shown])
    return chart


def _failures(rows: list[Row]) -> Any:
    alike: dict[str, Row] = {}
    for row in rows:
        known = alike.setdefault(row["fingerprint"], row | {"failures": 0})
        known["failures"] += row["failures"]
    worst = sorted(alike.values(), key=lambda row: -row["failures"])
    return _bars(worst, lambda row: f"{row['queue']}: {(row['reason'] or row['fingerprint'])[:40]}", ["failures"])


CHARTS: dict[str, Callable[[list[Row]], Any]] = {
    "arrivals": lambda rows: _lines(pygal.StackedBar, rows, ["added"]),
    "failures": _failures,
    "latency": lambda rows: _lines(pygal.Line, rows, ["wait_p95_s", "wait_p50_s", "run_p50_s", "run_p95_s"]),
    "minutes": lambda rows: _lines(pygal.Line, rows, ["added", "completed", "failed"]),
    "queues": lambda rows: _bars(rows, lambda row: row["queue"], STATUSES),
    "retention": lambda rows: _bars(rows, lambda row: f"{row['queue']} {row['status']}", ["jobs"]),
    "series": lambda rows: _lines(pygal.Line, rows, ["added", "claimed", "completed", "failed"]),
    "storage": lambda rows: _bars(rows, lambda row: row["table"], ["table_bytes", "index_bytes"]),
    "throughput": lambda rows: _lines(pygal.StackedBar, rows, ["completed", "failed"]),
    "workers": lambda rows: _bars(rows, lambda row: row["worker"], ["completed_1h", "failed_1h", "stalled_1h"]),
}
