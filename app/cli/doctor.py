"""`rowline doctor`: says what is wrong with the database and the nodes, and what to do about it."""

import os
import sys

import click
import orjson

from app.cli import columns, direct
from app.domain.doctor import Report, Severity
from app.infra import settings
from app.infra.vault import Vault
from app.queries import doctor as queries
from app.web.doctor import schemas


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API shows it.")
def doctor(*, as_json: bool) -> None:
    """Say what is wrong with the database and the nodes, and what to do about it. It changes nothing.

    The database is DATABASE_URL, or the embedded one of `rowline run`. The exit code is 1 if something breaks a
    promise, and 0 if nothing does, also with warnings and hints.
    """
    vault = Vault(settings.from_env(os.environ))
    report = direct.told(lambda db: queries.examine(db, vault), name="rowline-doctor")
    if as_json:
        print(orjson.dumps(schemas.dump(report), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(report)
    sys.exit(1 if any(one.severity is Severity.BROKEN for one in report.findings) else 0)


def _print(report: Report) -> None:
    for one in report.findings:
        print(columns.printable(f"{one.severity.value:8} {one.code}: {one.found}"))
        print(columns.printable(f"{'':8} do: {one.todo}"))
    for line in _figures(report):
        print(columns.printable(line))
    found = len(report.findings)
    print("nothing is wrong" if not found else f"{found} finding{'s' * (found > 1)}")


def _figures(report: Report) -> list[str]:
    facts = report.facts
    notify = "none arrived" if facts.notify_s is None else f"{facts.notify_s * 1000:.1f} ms"
    used = ", ".join(f"{one.used} of {one.most} of {one.name}" for one in facts.limits if one.most >= 0)
    lines = [
        f"NOTIFY           {notify}",
        f"connections      {used}; {facts.rowline_connections} of Rowline",
        f"xid age          {facts.xid_age:,}",
        f"dead rows        {sum(table.dead_rows for table in facts.tables):,}",
    ]
    if facts.holders:
        oldest = facts.holders[0]
        since = "unknown" if oldest.held_s is None else f"{oldest.held_s:,.1f} s"
        who = f"{oldest.kind} {oldest.pid or oldest.name}, {oldest.name}, role {oldest.role}"
        lines.append(f"oldest snapshot  {who}: {since}, {oldest.transactions:,} transactions")
    return lines
