"""`rowline audit`: prints who did what."""

import time
from datetime import timedelta
from typing import Any

import click

from app.cli import columns, names, output, service
from app.cli.lengths import Since
from app.cli.service import PAGE, Reply, Service


@click.command()
@click.option("--since", type=Since(), default=timedelta(days=7), help="How far back: 30m, 24h, 7d. Default: a week.")
@click.option("--actor", help="Only acts of this one: token:<id>, the name of a token, env:1, cli:<account>.")
@click.option("--action", help="Only this kind of act, such as jobs.cancel.")
@click.option("--queue", shell_complete=names.complete_queues, help="Only acts on this queue.")
@click.option("--target", help="Only acts on this one: the id of a job, a plan, a schedule, a token.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The most acts.")
@output.as_json
@output.watchable
def audit(*, since: timedelta, limit: int, as_json: bool, **wanted: str | None) -> None:
    """Print the audit, the newest act first: who did what, beside adding and working jobs."""
    since_ms = max(0, round(time.time() * 1000) - since // timedelta(milliseconds=1))
    asked = {"since": since_ms, **wanted}
    with service.opened() as api:
        found = _entries(api, asked, limit)
    if output.show(found, as_json=as_json):
        return
    if not found:
        click.echo("no acts", err=True)
    for entry in found:
        print(_line(entry.members))


def _entries(api: Service, asked: dict[str, Any], limit: int) -> list[Reply]:
    found: list[Reply] = []
    before = None
    while len(found) < limit:
        part = api.get("/audit", **asked, before=before, length=min(PAGE, limit - len(found)))
        found += part.parts("entries")
        before = part.members.get("next")
        if before is None:
            break
    return found


def _line(entry: dict[str, Any]) -> str:
    """Return an act as a line; what programs sent can imitate none."""
    who = f"{entry['actor']} ({entry['actorName']})" if "actorName" in entry else entry["actor"]
    where = "/".join(part for part in (entry.get("queue"), entry.get("target")) if part)
    before, after = (service.compact(entry[name]) if entry.get(name) else "" for name in ("before", "after"))
    changed = f"{before} -> {after}".strip() if before or after else ""
    outcome = "" if entry["outcome"] == "done" else entry["outcome"]
    number = "" if outcome or entry["affected"] == 1 else f"{entry['affected']}"
    at = output.moment(entry["at"])
    return columns.line([at, who, entry.get("address"), entry["action"], where, number, outcome, changed])
