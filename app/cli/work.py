"""`rowline work`: a Python worker."""

import dataclasses
import os
import sys
from pathlib import Path

import click

from app.domain import ids
from app.infra import log, settings
from app.infra.database import Database
from app.runners import maintainer, worker
from app.runners.sources import DatabaseSource
from app.runners.worker import HandlersBroken, Worker

CONNECTIONS = 4  # the work itself, the heartbeat, and the two loops of the maintainer


@click.command()
@click.option("--queue", required=True, help="The queue to take jobs from.")
@click.option(
    "--handlers", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A Python file."
)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Handler processes; ROWLINE_WORKER_PROCESSES if left out."
)
def work(queue: str, handlers: Path, processes: int | None) -> None:
    """Take jobs of QUEUE from the database DATABASE_URL and run their handlers. SIGTERM and Ctrl-C drain."""
    if fault := ids.name_fault(queue, max_length=ids.QUEUE_NAME_MAX):
        raise click.BadParameter(f"a queue name {fault}", param_hint="--queue")
    chosen = settings.from_env(os.environ)
    if processes:
        chosen = dataclasses.replace(chosen, worker_processes=processes)
    log.configure(chosen.log_level)
    db = Database(chosen, url=chosen.require_database_url(), size=CONNECTIONS, name="rowline-worker")
    maintainer.start(chosen, db)
    try:
        source = DatabaseSource(chosen, db, queue=queue, worker=worker.name())
        Worker(chosen, source, queue=queue, handlers=handlers.absolute()).run()
    except HandlersBroken as error:
        print(f"The handlers file cannot be used:\n{error}", file=sys.stderr)
        sys.exit(1)
