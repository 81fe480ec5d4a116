"""What a run prints: where it ran, a table, and what the load client took."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from app.infra.settings import Settings
from tests.bench.window import Count

SHOWN = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


@dataclass
class Line:
    """One line of the table: what each round gave, in jobs a second."""

    name: str
    rowline: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    client_cores: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Return the line's cells."""
        rowline, raw = statistics.median(self.rowline), statistics.median(self.raw)
        return [
            self.name,
            f"{rowline:,.0f}",
            f"{raw:,.0f}",
            f"{rowline / raw:.2f}",
            _spread(self.rowline),
            _spread(self.raw),
            f"{statistics.median(self.client_cores):.2f}" if self.client_cores else "",
        ]


HEAD = ["jobs/s", "Rowline", "raw", "ratio", "Rowline, min to max", "raw, min to max", "client cores"]


def _spread(rates: Sequence[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


def table(lines: Sequence[Line]) -> str:
    """Lay out the lines."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_laid_out(row, widths) for row in rows)


def _laid_out(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()


def ceiling(count: Count, *, connections: int) -> str:
    """Say what the load client reaches against a constant answer, and what it could by itself."""
    return (
        f"Client ceiling: {count.rate:,.0f} GET /health/live a second over {connections} connections, at "
        f"{count.cores:.2f} of a core: one whole core could drive {count.rate / count.cores:,.0f}."
    )


def place(chosen: Settings, connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """Say on what a run was made."""
    shown = [f"{name}={(connection.execute(f'show {name}').fetchone() or '?')[0]}" for name in SHOWN]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("gunicorn", "Flask", "psycopg")]
    server = connection.info.parameter_status("server_version")
    whose = "of DATABASE_URL" if chosen.database_url else "embedded"
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"""\
PostgreSQL {server} ({whose}): {", ".join(shown)}
Python {platform.python_version()}, {", ".join(versions)} ({psycopg.pq.__impl__})
API: {chosen.api_processes} processes, {chosen.api_connections} database connections each, logs {chosen.log_level}
Worker: 1 process, batches of at most {chosen.max_batch}
{os.cpu_count()} cores for client, service and database together; load average before: {loads}"""
