"""`rowline audit`: prints who did what."""

import os
from datetime import UTC, datetime, timedelta

import click
import orjson

from app.cli import columns
from app.cli.report import Since
from app.domain.audit import Entry
from app.infra import settings
from app.local import embedded
from app.postgres.database import Database
from app.queries import audit as queries
from app.queries.audit import Wanted
from app.web.audit import schemas


@click.command()
@click.option("--since", type=Since(), default=timedelta(days=7), help="How far back: 30m, 24h, 7d. Default: a week.")
@click.option("--actor", help="Only acts of this one: token:<id>, the name of a token, env:1, cli:<account>.")
@click.option("--action", help="Only this kind of act, such as jobs.cancel.")
@click.option("--queue", help="Only acts on this queue.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The most acts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API shows it.")
def audit(
    *, since: timedelta, actor: str | None, action: str | None, queue: str | None, limit: int, as_json: bool
) -> None:
    """Print the audit, the newest act first: who did what, beside adding and working jobs."""
    chosen = settings.from_env(os.environ)
    db = Database(chosen, url=chosen.database_url or embedded.url_of_running(chosen), size=1, name="rowline-audit")
    wanted = Wanted(since=datetime.now(UTC) - since, actor=actor, action=action, queue=queue)
    try:
        found = queries.entries(db, wanted=wanted, length=limit)
    except UnicodeEncodeError:
        raise click.ClickException("the arguments must be UTF-8") from None
    finally:
        db.close()
    if as_json:
        print(orjson.dumps([schemas.entry(one) for one in found], option=orjson.OPT_INDENT_2).decode())
        return
    if not found:
        click.echo("no acts", err=True)
    for entry in found:
        print(_line(entry))


def _line(entry: Entry) -> str:
    """Return an act as a line; what programs sent can imitate none."""
    actor, act = entry.actor, entry.act
    who = f"{actor.id} ({actor.name})" if actor.name else actor.id
    where = "/".join(part for part in (act.queue, act.target) if part)
    changed = f"{_json(act.before)} -> {_json(act.after)}".strip() if act.before or act.after else ""
    outcome = "" if act.outcome == "done" else act.outcome.value
    number = "" if outcome or act.affected == 1 else f"{act.affected}"
    parts = [f"{entry.at:%Y-%m-%d %H:%M:%S}Z", who, actor.address, act.action, where, number, outcome, changed]
    return columns.line(parts)


def _json(members: object) -> str:
    return orjson.dumps(members).decode() if members else ""
