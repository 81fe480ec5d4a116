"""`rowline scaling`: how many workers a queue needs."""

import click

from app.cli import names, output, service
from app.cli.service import of_queue
from app.domain.scaling import PER_WORKER, PER_WORKER_MAX, TARGET_MAX_S, TARGET_S


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
@output.as_json
@output.watchable
def scaling(*, queue: str, target: int, per_worker: int, as_json: bool) -> None:
    """Say how many workers QUEUE needs, and what that follows from."""
    with service.opened() as api:
        found = api.get(of_queue(queue, "scaling"), target=target, perWorker=per_worker)
    if not output.show([found], as_json=as_json):
        output.table([*found.members], [tuple(found.members.values())], f"scaling of {queue}")
