"""`rowline events`: prints what happens to jobs."""

import time
from collections.abc import Iterable, Sequence

import click
import orjson

from app.cli import direct, jsontext, names, remoteevents, service
from app.domain.events import EventType
from app.operations import maintenance
from app.postgres.database import Database
from app.queries import events as queries
from app.queries.events import TitledEvent
from app.web.events import schemas
from app.web.events.schemas import Wanted

LOOK_S = 0.2


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option(
    "--queue",
    "queues",
    multiple=True,
    shell_complete=names.complete_queues,
    help="Only of this queue; a name may end with *. Repeatable.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([each.value for each in EventType]),
    help="Only this type. Repeatable.",
)
@click.option("--after", type=click.IntRange(0), help="Begin after this event. Default: the oldest kept; with -f now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
def events(*, follow: bool, queues: Sequence[str], types: Sequence[str], after: int | None, as_json: bool) -> None:
    """Print events of jobs and queues in their order: what is kept, or, with -f, what happens from now on."""
    if service.find().url is not None:
        asked = {"queues": queues, "types": types, "after": after}
        remoteevents.show(asked, is_endless=follow, as_json=as_json)
        return
    wanted = Wanted(queues=tuple(queues), types=frozenset(map(EventType, types)), after=after, has_names=True)
    direct.told(lambda db: _print(db, wanted, is_endless=follow, as_json=as_json), name="rowline-events")


def _print(db: Database, wanted: Wanted, *, is_endless: bool, as_json: bool) -> None:
    maintenance.fold_counts(db)
    ends = queries.ends(db)
    start = ends.newest if is_endless else ends.oldest - 1
    cursor = start if wanted.after is None else wanted.after
    while True:
        page = queries.page(db, after=cursor, has_names=True)
        cursor = page.cursor
        _write((one for one in page.events if wanted.wants(one, wanted.covers)), as_json=as_json)
        if not is_endless and cursor >= ends.newest:
            return
        if not page.runs:
            time.sleep(LOOK_S)
            maintenance.fold_counts(db)


def _write(found: Iterable[TitledEvent], *, as_json: bool) -> None:
    for one in found:
        members = {"eventId": one.event.id} | schemas.members(one, has_names=True, sees_payload=True)
        print(jsontext.line(orjson.dumps(members).decode()) if as_json else remoteevents.line(members), flush=True)
