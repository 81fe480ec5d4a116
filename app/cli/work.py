"""`rowline work`: the Python worker."""

import dataclasses
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import rowline
from rowline.transport import Transport

from app.cli import exits
from app.cli.exits import Code
from app.domain import ids
from app.infra import loading, log, settings
from app.infra.settings import Settings
from app.maintenance import maintainer, presence, sampling, schema
from app.postgres.database import Database
from app.worker import worker
from app.worker.declared import DeclaredSchedules, Sender
from app.worker.httpsource import CALL_S, HttpSource
from app.worker.sources import DatabaseSource, Source
from app.worker.worker import HandlersBroken, Worker

CONNECTIONS = 5  # to the database: for claims, progress and heartbeats; the maintainer's loops share the rest


@click.command()
@click.option("--queue", required=True, help="The queue to take jobs from.")
@click.option(
    "--handlers",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Python file with handlers.",
)
@click.option("--processes", type=click.IntRange(1, 256), help="Handler processes. Default: ROWLINE_WORKER_PROCESSES.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads per process. Default: ROWLINE_WORKER_THREADS.")
@click.option("--url", help="Take jobs over HTTP from the service at this URL.")
@click.option("--token", help="The API token. Better set ROWLINE_TOKEN: `ps` shows options.")
def work(
    *, queue: str, handlers: Path, processes: int | None, threads: int | None, url: str | None, token: str | None
) -> None:
    """Take jobs of QUEUE and run their handlers. SIGTERM and Ctrl-C drain.

    Jobs come from the database DATABASE_URL, or over HTTP: with --url, or with ROWLINE_URL if DATABASE_URL is not set.
    """
    if fault := ids.name_fault(queue, max_length=ids.QUEUE_NAME_MAX):
        raise click.BadParameter(f"a queue name {fault}", param_hint="--queue")
    chosen = settings.from_env(os.environ)
    chosen = dataclasses.replace(
        chosen,
        worker_processes=processes or chosen.worker_processes,
        worker_threads=threads or chosen.worker_threads,
    )
    log.configure(chosen.log_level, chosen.log)
    if not url and not chosen.database_url:
        url = os.environ.get("ROWLINE_URL")
    handlers = handlers.absolute()
    try:
        if url:
            sampling.serve(chosen, None)
            token = token or os.environ.get("ROWLINE_TOKEN", "")
            source = _http(chosen, queue, url, token)
            declared = DeclaredSchedules(partial(_service, url, token), queue=queue)
            Worker(chosen, source, queue=queue, handlers=handlers, on_ready=declared.begin).run()
            _require_made(declared)
        else:
            _run_on_database(chosen, queue, handlers)
    except HandlersBroken as error:
        print(f"The handlers file cannot be loaded:\n{error}", file=sys.stderr)
        sys.exit(1)


def _run_on_database(chosen: Settings, queue: str, handlers: Path) -> None:
    """Work the jobs of the database; run the maintainer too, as every process with a database does."""
    db = Database(chosen, url=chosen.require_database_url(), size=CONNECTIONS, name="rowline-worker")
    sampling.serve(chosen, db)
    schema.wait(db)
    maintainer.start(chosen, db)
    source = DatabaseSource(chosen, db, queue=queue, worker=worker.name())
    declared = DeclaredSchedules(_database, queue=queue)
    working = Worker(chosen, source, queue=queue, handlers=handlers, on_ready=declared.begin)
    with presence.shown(db, working.sightings):  # of a worker over HTTP the API knows
        working.run()
    _require_made(declared)


@contextmanager
def _service(url: str, token: str) -> Iterator[Sender]:
    """Open the service at a URL for calls."""
    transport = Transport(url, token, timeout_s=CALL_S)
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def _database() -> Iterator[Sender]:
    """Open the API in this process, on the database, with the rights of the account that runs the worker."""
    with loading.uncollected():
        from app.cli import database  # noqa: PLC0415 - it takes half a second to import, and most files need it not
    with database.opened() as sender:
        yield sender


def _require_made(declared: DeclaredSchedules) -> None:
    """End with the reason if a schedule of the handlers file was refused."""
    if declared.refused:
        ended = exits.of(declared.refused.error)
        named = f"the schedule {declared.refused.schedule_id!r} of the handlers file cannot be made"
        raise exits.Ended(f"{named}: {ended.message}", Code(ended.code))


def _http(chosen: Settings, queue: str, url: str, token: str) -> Source:
    """Make a source of jobs over HTTP, after checking the URL and the token against the service."""
    try:
        source = HttpSource(chosen, url=url, token=token, queue=queue, worker=worker.name())
        source.check()
    except ValueError as error:  # the URL is not shown: it may contain a secret
        raise click.ClickException(f"--url or --token, or ROWLINE_URL or ROWLINE_TOKEN: {error}") from error
    except rowline.RowlineError as error:
        raise exits.Ended(f"{url}: {error}", Code.FAILED) from error
    return source
