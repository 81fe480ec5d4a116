"""`rowline db`: commands for the database, its schema and its query plans."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator

import click

from app.cli import account
from app.domain.programs import Program
from app.infra import conninfo, interrupt, loading, log, settings
from app.local import embedded
from app.operations import maintenance
from app.operations import roles as operations
from app.postgres import poolers
from app.postgres.database import Database, session, translated
from app.queries import health, plans

RECOUNT_MS = 600_000  # it reads every job


@click.group()
def db() -> None:
    """Manage the database. That is DATABASE_URL, or the embedded one of `rowline run`."""
    chosen = settings.from_env(os.environ)
    log.configure(chosen.log_level, chosen.log)


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade the schema to REVISION (default: the newest). Waits while another process migrates it."""
    with _importing():
        from app.postgres import schema  # noqa: PLC0415 - as it says

    schema.upgrade(_owner_url(), revision=revision, actor=account.actor().id)


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Downgrade the schema to REVISION. `base` removes all of it, jobs included."""
    with _importing():
        from app.postgres import schema  # noqa: PLC0415 - as it says

    schema.downgrade(_owner_url(), revision=revision, actor=account.actor().id)


@db.command()
def status() -> None:
    """Show revision and pending migrations. Also the releases that can use the schema, and the connected programs."""
    with _importing():
        from app.postgres import schema  # noqa: PLC0415 - as it says

    opened = _database()
    version = health.version(opened)
    moving = ", migration in progress" if version.is_moving else ""
    print(f"schema     {version.revision or 'none'}{moving}")
    print(f"release    {version.release}")
    print(f"serves     programs written for {version.oldest or version.revision or 'none'} or later")
    for one in schema.revisions():
        if version.revision is None or one.name > version.revision:
            print(f"pending    {one.name} {one.step}: {one.about.splitlines()[0]}")
    for program in health.connected(opened):
        print(f"connected  {_described(program, revision=version.revision)}")
    for fault in _faults(opened):
        print(f"fault      {fault}")


@db.command()
@click.option(
    "--from", "since", help="The revision to start from; `base` for an empty database. Default: that of the database."
)
@click.argument("revision", default="head")
def sql(since: str | None, revision: str) -> None:
    """Print the SQL of an upgrade to REVISION. The default is the newest one; nothing is run."""
    with _importing():
        from app.postgres import schema  # noqa: PLC0415 - as it says

    print(schema.sql(since=since or health.version(_database()).revision or "base", revision=revision), end="")


@db.command()
def check() -> None:
    """Check the readiness of the database. It must be reachable, migrated and durable; otherwise exit code 1."""
    faults = _faults(_database())
    print("\n".join(faults) if faults else "ready")
    sys.exit(1 if faults else 0)


def _described(program: Program, *, revision: str | None) -> str:
    release = f" {program.release}" if program.release else ", which names no release"
    connections = "1 connection" if program.connections == 1 else f"{program.connections} connections"
    older = ": older than the schema" if revision is not None and program.is_older_than(revision) else ""
    return f"{program.name}{release}, {connections}{older}"


def _faults(opened: Database) -> list[str]:
    if faults := health.faults(opened):
        return faults
    fault = (
        "is invalid, its build was interrupted: drop it and run `rowline db upgrade`, or `reindex index concurrently`"
    )
    return [f"the index {index} {fault}" for index in health.invalid_indexes(opened)]


@db.command()
@click.option("--apply", "is_applied", is_flag=True, help="Run the SQL on the database instead of printing it.")
def roles(*, is_applied: bool) -> None:
    """Print the SQL that creates the roles: owner, migrator, run time and reports. Run it after each upgrade."""
    if not is_applied:
        print(operations.SCRIPT)
        return
    operations.apply(
        Database(settings.from_env(os.environ), url=_owner_url(), size=1, name="rowline-db"), actor=account.actor()
    )
    print("the roles exist; set a password for those that log in: \\password rowline_runtime")


@db.command()
@click.option("--apply", "is_applied", is_flag=True, help="Run the SQL on the database instead of printing it.")
def pooler(*, is_applied: bool) -> None:
    """Print the SQL that is needed behind a pooler. It sets, on the role of DATABASE_URL, what pgbouncer drops."""
    chosen = settings.from_env(os.environ)
    asked = session(chosen, _url())
    if not is_applied:
        print(poolers.script(asked))
        return
    with translated():
        role, database = poolers.apply(_url(), asked, within_s=chosen.connect_s)
    told = "for open sessions, run RECONNECT on the pooler's console"
    print(f'the role "{role}" has its settings in the database "{database}"; {told}')


@db.command()
def recount() -> None:
    """Recount all jobs and repair wrong counts. The service may run meanwhile. Prints the queues that were wrong."""
    chosen = dataclasses.replace(settings.from_env(os.environ), statement_ms=RECOUNT_MS)
    wrong = maintenance.recount(Database(chosen, url=_url(), size=1, name="rowline-db"), actor=account.actor())
    print("\n".join(f"repaired: {queue}" for queue in wrong) if wrong else "all counts were correct")


@db.command()
@click.option(
    "--owner", "is_owner", is_flag=True, help="For `rowline run`: the superuser's URL, for dumps and the like."
)
def url(*, is_owner: bool) -> None:
    """Print the URL of the database, for other programs. It may contain a password: keep it secret."""
    print(_owner_url() if is_owner else _url())


@db.command()
@click.argument("name")
def explain(name: str) -> None:
    """Print the query plan of a statement. NAME is its file, such as leases/claim."""
    try:
        print(plans.explain(_database(), name=name))
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no statement {name}: {error.filename}") from None


@db.command()
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(*, arguments: tuple[str, ...]) -> None:
    """Open psql on the database, with ARGUMENTS of its own after `--`, as in `rowline db psql -- -c 'select 1'`.

    The password is passed in PGPASSWORD, so that `ps` does not show it.
    """
    chosen = settings.from_env(os.environ)
    program = str(embedded.programs(chosen) / "psql") if chosen.database_url is None else "psql"
    shown, password = conninfo.apart(_owner_url())
    environ = settings.without_secrets(os.environ) | ({"PGPASSWORD": password} if password else {})
    try:
        os.execvpe(program, [program, "--dbname", shown, *arguments], environ)  # noqa: S606 - no shell
    except OSError as error:
        raise click.ClickException(f"{program} cannot be started: {error.strerror}") from error


@db.command()
@click.argument("message")
def revision(message: str) -> None:
    """Create a migration called MESSAGE. Its file is in migrations/versions."""
    with _importing():
        from app.postgres import schema  # noqa: PLC0415 - as it says

    schema.begin_revision(message)


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """Import Alembic during the block: it takes 0.1 s, which commands that only look need not wait for."""
    with interrupt.quiet(), loading.uncollected():
        yield


def _url() -> str:
    chosen = settings.from_env(os.environ)
    return chosen.database_url or embedded.url_of_running(chosen)


def _owner_url() -> str:
    """Return the URL of the owner, for what the run-time role may not do; DATABASE_URL, if set, serves as both."""
    chosen = settings.from_env(os.environ)
    return chosen.database_url or embedded.owner_url_of_running(chosen)


def _database() -> Database:
    return Database(settings.from_env(os.environ), url=_url(), size=1, name="rowline-db")
