"""`rowline report`: prints the views of the schema `report` as tables, CSV, JSON or charts."""

import csv
import dataclasses
import os
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path

import click
import orjson

from app.cli import charts, columns, jsontext, tables
from app.cli.lengths import Since
from app.infra import settings
from app.local import embedded
from app.postgres.database import Database
from app.queries import reports
from app.queries.reports import REPORTS, Found

STATEMENT_MS = 30_000
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - these four as well, where people write Japanese
"""The first characters of text that spreadsheets evaluate as a formula (OWASP: CSV Injection)."""


@click.command()
@click.argument("name", type=click.Choice(sorted(REPORTS)))
@click.option("--queue", help="Only this queue.")
@click.option("--since", type=Since(), default=timedelta(days=1), help="How far back: 30m, 24h, 7d. Default: a day.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="The most rows.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option(
    "--chart", type=click.Path(dir_okay=False, path_type=Path), help="Draw a chart to this file, .svg or .png."
)
def report(
    *, name: str, queue: str | None, since: timedelta, limit: int, as_csv: bool, as_json: bool, chart: Path | None
) -> None:
    """Print a report. NAME is a view of the schema `report`. Periods are minutes, hours or days, by --since."""
    if as_csv + as_json + (chart is not None) > 1:
        raise click.UsageError("only one of --csv, --json and --chart")
    db = _database()
    try:
        found = reports.ask(db, name=name, since=since, queue=queue, limit=limit)
    finally:
        db.close()
    if chart:
        charts.write(found, name=name, title=_title(name, queue, since), file=chart)
    elif as_csv:
        _write_csv(found)
    elif as_json:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        print(jsontext.safe(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode()))
    else:
        tables.show(found, _title(name, queue, since))


def _database() -> Database:
    chosen = dataclasses.replace(settings.from_env(os.environ), statement_ms=STATEMENT_MS)
    url = chosen.database_url or embedded.url_of_running(chosen)
    return Database(chosen, url=url, size=1, name="rowline-report")


def _title(name: str, queue: str | None, since: timedelta) -> str:
    of = f" of {queue}" if queue else ""
    return f"{name}{of}" + (f", since {str(since).removesuffix(', 0:00:00')} ago" if REPORTS[name].moment else "")


def _write_csv(found: Found) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(found.columns)
    writer.writerows([_cell(tables.plain(value)) for value in row] for row in found.rows)


def _cell(value: object) -> object:
    """Escape text that a spreadsheet would evaluate, and replace control characters. Numbers stay numbers.

    On a terminal other characters that could control it are replaced too, such as those that turn the direction.
    """
    if not isinstance(value, str):
        return value
    if sys.stdout.isatty():
        text = columns.printable(value)
    else:
        text = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) == "Cc" else one for one in value)
    return f"'{text}" if value.startswith(FORMULA) else text
