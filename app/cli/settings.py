"""`rowline settings`: shows and changes the settings of the service."""

import click

from app.cli import output, retention, service
from app.domain.retention import Keep

_as_json = click.option("--json", is_flag=True, expose_value=False, help="Print JSON, as always.")


@click.group()
def settings() -> None:
    """Show and change the settings that hold for queues which have none of their own."""


@settings.command()
@_as_json
def show() -> None:
    """Print the settings that are set, as JSON."""
    with service.opened() as api:
        output.show([api.get("/settings")], as_json=True)


@settings.command("set")
@retention.options
@_as_json
def change(*, yes: bool, **keeps: Keep | None) -> None:
    """Change the settings that are named; print all that are set."""
    wanted = retention.given(keeps)
    retention.confirm(wanted, whose="each queue", yes=yes)
    with service.opened() as api:
        changed = api.send("PATCH", "/settings", service.members(retention.members(wanted)), is_repeatable=True)
        output.show([changed], as_json=True)
