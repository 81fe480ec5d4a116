"""The command `rowline`, composed of its subcommands."""

import sys

import click

from app.cli import db, dispatch, docs, endpoints, report, run, serve, work
from app.infra.settings import SettingsError
from app.local.processes import StartError
from app.postgres.database import DatabaseError
from app.postgres.schema import SchemaError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rowline", prog_name="rowline")
def rowline() -> None:
    """Rowline, an HTTP job queue on PostgreSQL."""


rowline.add_command(run.run)
rowline.add_command(serve.serve)
rowline.add_command(work.work)
rowline.add_command(dispatch.dispatch)
rowline.add_command(endpoints.endpoints)
rowline.add_command(report.report)
rowline.add_command(db.db)
rowline.add_command(docs.docs)


def main() -> None:
    """Run the command line. Invalid settings exit with code 2 and errors at start with code 1, each with a message."""
    try:
        rowline(prog_name="rowline")
    except SettingsError as error:
        print(f"rowline: invalid settings:\n{error}", file=sys.stderr)
        sys.exit(2)
    except (StartError, DatabaseError, SchemaError) as error:
        print(f"rowline: {error}", file=sys.stderr)
        sys.exit(1)
