"""`rowline settings`: shows and changes the settings of the service, on the database itself."""

import click
import orjson

from app.cli import account, direct, retention
from app.domain.retention import Keep, Retention
from app.operations import settings as operations
from app.queries import settings as queries
from app.wire import retention as wire

_as_json = click.option("--json", is_flag=True, expose_value=False, help="Print JSON, as always.")


@click.group()
def settings() -> None:
    """Show and change the settings that hold for queues which have none of their own."""


@settings.command()
@_as_json
def show() -> None:
    """Print the settings that are set, as JSON."""
    _print(direct.told(queries.find, name="rowline-settings"))


@settings.command("set")
@retention.options
@_as_json
def change(*, yes: bool, **keeps: Keep | None) -> None:
    """Change the settings that are named; print all that are set."""
    wanted = retention.given(keeps)
    retention.confirm(wanted, whose="each queue", yes=yes)
    actor = account.actor()
    _print(direct.told(lambda db: operations.change(db, actor=actor, keeps=wanted), name="rowline-settings"))


def _print(found: Retention) -> None:
    print(orjson.dumps(wire.dump(found), option=orjson.OPT_INDENT_2).decode())
