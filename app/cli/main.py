"""The command `rowline`, composed of its subcommands, each of which is imported when it is needed."""

import difflib
import importlib
import sys

import click
from click.shell_completion import CompletionItem

from app.cli import columns
from app.cli.exits import Code
from app.infra import interrupt, loading
from app.infra.settings import SettingsError

COMMANDS = {name: (name, name) for name in ("run", "serve", "work", "dispatch", "queues", "jobs")}
COMMANDS |= {"search": ("jobs", "find"), "explain": ("explain", "explain"), "failures": ("failures", "failures")}
COMMANDS |= {"plan": ("plans", "make"), "apply": ("plans", "apply"), "undo": ("plans", "undo")}
COMMANDS |= {
    name: (name, name)
    for name in (
        *(
            "plans",
            "running",
            "schedulers",
            "events",
            "top",
            "wait",
            "scaling",
            "series",
            "deduplication",
            "workers",
            "endpoints",
        ),
        *("settings", "tokens", "audit", "doctor", "dashboard", "report", "context", "completion", "db", "docs"),
    )
}
"""By name: the module, and the function in it. In the order of the help."""
LIKENESS = 0.75


class Commands(click.Group):
    """Imports only the command that runs: all of them take a second of CPU, which every process would take to start."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command. Ctrl-C meanwhile ends the process quietly."""
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name]
        with interrupt.quiet(), loading.uncollected():
            command: click.Command = getattr(importlib.import_module(f"app.cli.{module}"), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first; of one that there is not say which is meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            for near in difflib.get_close_matches(name, COMMANDS, n=1, cutoff=LIKENESS):
                ctx.fail(f"No such command {name!r}. Did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, without importing those that begin so."""
        found = [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]
        return found or click.Command.shell_complete(self, ctx, incomplete)


def _contexts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from app.cli import contexts  # noqa: PLC0415 - it is needed at the Tab key alone

    return contexts.that_begin(incomplete)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rowline", prog_name="rowline")
@click.option(
    "--context",
    metavar="NAME",
    envvar="ROWLINE_CONTEXT",
    shell_complete=_contexts,
    help="Ask this service: one of `rowline context list`.",
)
def rowline(*, context: str | None) -> None:
    """Rowline, an HTTP job queue on PostgreSQL.

    Commands ask a service over HTTP: that of --context, of ROWLINE_URL and ROWLINE_TOKEN, of the context in use, or the
    `rowline run` of this machine. With DATABASE_URL they do the same in this process. The exit code is 1 if something
    failed, 2 for wrong usage, 3 not found, 4 refused, 5 conflict, 6 unavailable.
    """


def main() -> None:
    """Run the command line. Invalid settings exit with code 2, a database that is away with 6, each with a message."""
    try:
        rowline(prog_name="rowline")
    except SettingsError as error:
        print(f"rowline: invalid settings:\n{error}", file=sys.stderr)
        sys.exit(Code.USAGE)
    except Exception as error:
        if isinstance(error, _at_start()):
            print(f"rowline: {columns.plain(str(error))}", file=sys.stderr)
            sys.exit(_code(error))
        if (url := _misunderstood(error)) is None:
            raise
        told = columns.printable(f"{type(error).__name__}: {error}")
        print(f"rowline: the answer of {url} is not Rowline's, or of another release: {told}", file=sys.stderr)
        sys.exit(Code.FAILED)


def _misunderstood(error: Exception) -> str | None:
    """Return the URL of the service whose answer a command took for another than it is, None if there is none."""
    from rowline.bodies import UNREADABLE  # noqa: PLC0415 - as below

    service = sys.modules.get("app.cli.service")
    return service.asked_urls[-1] if service and service.asked_urls and isinstance(error, UNREADABLE) else None


def _at_start() -> tuple[type[Exception], ...]:
    """Return the errors that are told in one line. Imported here, since a command may do without the database."""
    from app.local.processes import StartError  # noqa: PLC0415
    from app.postgres.database import DatabaseError  # noqa: PLC0415

    schema = sys.modules.get("app.postgres.schema")  # a command that has not imported it has not raised its error
    return (StartError, DatabaseError, schema.SchemaError) if schema else (StartError, DatabaseError)


def _code(error: Exception) -> Code:
    from app.postgres.database import DatabaseError  # noqa: PLC0415 - as above

    if not isinstance(error, DatabaseError):
        return Code.FAILED
    return Code.REFUSED if error.lacks_right else Code.UNAVAILABLE
