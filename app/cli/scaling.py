"""`rowline scaling`: how many workers a queue needs, from the database itself."""

import click
import orjson

from app.cli import direct, names, tables
from app.domain.scaling import PER_WORKER, PER_WORKER_MAX, TARGET_MAX_S, TARGET_S
from app.queries import explain as queries
from app.queries.reports import Found
from app.wire.explain import dump_scaling


@click.command()
@names.queue
@click.option(
    "--target",
    type=click.IntRange(1, TARGET_MAX_S),
    default=TARGET_S,
    show_default=True,
    help="In s: what is ready, or due by then, begins within it.",
)
@click.option(
    "--per-worker",
    type=click.IntRange(1, PER_WORKER_MAX),
    default=PER_WORKER,
    show_default=True,
    help="Jobs that a worker runs at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def scaling(*, queue: str, target: int, per_worker: int, as_json: bool) -> None:
    """Say how many workers QUEUE needs, and what that follows from.

    It is in the database: DATABASE_URL, or the embedded one of `rowline run`.
    """
    found = direct.told(
        lambda db: queries.scale(db, queue=queue, target_s=target, per_worker=per_worker), name="rowline-scaling"
    )
    members = dump_scaling(found)
    if as_json:
        print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
    else:
        tables.show(Found(columns=[*members], rows=[tuple(members.values())]), f"scaling of {queue}")
