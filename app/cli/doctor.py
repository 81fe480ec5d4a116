"""`rowline doctor`: says what is wrong with the database and the nodes, and what to do about it."""

import sys
from typing import Any

import click

from app.cli import columns, output, service
from app.cli.exits import Code
from app.domain.doctor import Severity


@click.command()
@output.as_json
def doctor(*, as_json: bool) -> None:
    """Say what is wrong with the database and the nodes, and what to do about it. It changes nothing.

    The exit code is 1 if something breaks a promise, and 0 if nothing does, also with warnings and hints.
    """
    with service.opened() as api:
        found = api.get("/doctor")
    report = found.members
    if not output.show([found], as_json=as_json):
        _print(report)
    is_broken = any(one["severity"] == Severity.BROKEN for one in report["findings"])
    sys.exit(Code.FAILED if is_broken else Code.DONE)


def _print(report: dict[str, Any]) -> None:
    for one in report["findings"]:
        print(columns.printable(f"{one['severity']:8} {one['code']}: {one['found']}"))
        print(columns.printable(f"{'':8} do: {one['todo']}"))
    for line in _figures(report["figures"]):
        print(columns.printable(line))
    found = len(report["findings"])
    if found:
        print("SQL is run by `rowline db psql`, in a checkout `make psql`, on a machine that has the database")
    print("nothing is wrong" if not found else f"{found} finding{'s' * (found > 1)}")


def _figures(facts: dict[str, Any]) -> list[str]:
    notify = "none arrived" if facts["notifyMs"] is None else f"{facts['notifyMs']:.1f} ms"
    used = ", ".join(
        f"{one['used']} of {one['most']} of {one['name']}" for one in facts["connections"] if one["most"] >= 0
    )
    lines = [
        f"NOTIFY           {notify}",
        f"connections      {used}; {facts['rowlineConnections']} of Rowline",
        f"xid age          {facts['xidAge']:,}",
        f"dead rows        {sum(facts['deadRows'].values()):,}",
    ]
    if oldest := facts["oldestSnapshot"]:
        since = "" if oldest["since"] is None else f" since {output.moment(oldest['since'])}"
        who = f"{oldest['kind']} {oldest['pid'] or oldest['name']}, {oldest['name']}, role {oldest['role']}"
        lines.append(f"oldest snapshot  {who}{since and f',{since}'}, {oldest['transactions']:,} transactions")
    return lines
