"""The command `rowline`, composed of its subcommands, each of which is imported when it is needed."""

import importlib
import sys

import click

from app.infra import interrupt
from app.infra.settings import SettingsError

COMMANDS = (
    "run",
    "serve",
    "work",
    "dispatch",
    "jobs",
    "plans",
    "failures",
    "explain",
    "scaling",
    "series",
    "deduplication",
    "schedulers",
    "wait",
    "queues",
    "workers",
    "settings",
    "endpoints",
    "tokens",
    "audit",
    "events",
    "doctor",
    "dashboard",
    "report",
    "db",
    "docs",
)
"""Each is a function of the module of its name."""


class Commands(click.Group):
    """Imports only the command that runs: all of them take a second of CPU, which every process would take to start."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command. Ctrl-C meanwhile ends the process quietly."""
        if cmd_name not in COMMANDS:
            return None
        with interrupt.quiet():
            command: click.Command = getattr(importlib.import_module(f"app.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rowline", prog_name="rowline")
def rowline() -> None:
    """Rowline, an HTTP job queue on PostgreSQL."""


def main() -> None:
    """Run the command line. Invalid settings exit with code 2 and errors at start with code 1, each with a message."""
    try:
        rowline(prog_name="rowline")
    except SettingsError as error:
        print(f"rowline: invalid settings:\n{error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if not isinstance(error, _at_start()):
            raise
        print(f"rowline: {error}", file=sys.stderr)
        sys.exit(1)


def _at_start() -> tuple[type[Exception], ...]:
    """Return the errors that are told in one line. Imported here, since a command may do without the database."""
    from app.local.processes import StartError  # noqa: PLC0415
    from app.postgres.database import DatabaseError  # noqa: PLC0415
    from app.postgres.schema import SchemaError  # noqa: PLC0415

    return StartError, DatabaseError, SchemaError
