"""`rowline deduplication`: says which job holds an id, and lets it go, on the database itself."""

from collections.abc import Callable

import click
import orjson

from app.cli import account, columns, direct, names
from app.domain.deduplication import Holder
from app.operations import deduplication as operations
from app.postgres.database import Database
from app.queries import deduplication as queries
from app.web.jobs.deduplication import HeldSchema


@click.group()
def deduplication() -> None:
    """Say which job holds a deduplication id, let one go. They are in the database, as the jobs are."""


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@deduplication.command()
@names.queue
@names.dedup_id
@_as_json
def show(*, queue: str, dedup_id: str, as_json: bool) -> None:
    """Print which job holds an id, and until when."""
    _print(lambda db: queries.find(db, queue=queue, dedup_id=dedup_id), dedup_id, as_json=as_json)


@deduplication.command("let-go")
@names.queue
@names.dedup_id
@_as_json
def let_go(*, queue: str, dedup_id: str, as_json: bool) -> None:
    """Let go of an id; print it as it was held. A job that is stored to follow is added by the service then."""
    actor = account.actor()
    _print(lambda db: operations.let_go(db, actor=actor, queue=queue, dedup_id=dedup_id), dedup_id, as_json=as_json)


def _print(read: Callable[[Database], Holder], dedup_id: str, *, as_json: bool) -> None:
    holder = direct.told(read, name="rowline-deduplication")
    if as_json:
        print(orjson.dumps(HeldSchema().members(dedup_id, holder)).decode())
    else:
        until = "until it has ended" if holder.expires_at is None else f"until {holder.expires_at:%Y-%m-%d %H:%M:%S%z}"
        stored = "a job is stored to follow" if holder.has_stored else ""
        print(columns.line([dedup_id, f"held by job {holder.job_id}", until, stored]))
