"""`rowline settings`: shows and changes the settings of the service, on the database itself."""

import click
import orjson

from app.cli import account, direct, retention
from app.domain.retention import Keep, Retention
from app.operations import settings as operations
from app.queries import settings as queries
from app.wire import retention as wire


@click.group()
def settings() -> None:
    """Show and change the settings that hold for queues which have none of their own."""


@settings.command()
def show() -> None:
    """Print the settings that are set, as JSON."""
    _print(direct.told(queries.find, name="rowline-settings"))


@settings.command("set")
@retention.options
def change(**keeps: Keep | None) -> None:
    """Change the settings that are named; print all that are set."""
    wanted = retention.given(keeps)
    actor = account.actor()
    _print(direct.told(lambda db: operations.change(db, actor=actor, keeps=wanted), name="rowline-settings"))


def _print(found: Retention) -> None:
    print(orjson.dumps(wire.dump(found), option=orjson.OPT_INDENT_2).decode())
