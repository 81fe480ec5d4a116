"""`rowline dashboard`: print a link that signs in to the dashboard of this machine."""

import os

import click

from app.cli import direct
from app.infra import settings
from app.local import home
from app.operations import sessions


@click.command()
def dashboard() -> None:
    """Print a link that signs in to the dashboard, once, within a minute.

    The service must listen on a loopback address (HOST and PORT, or that of `rowline run`), and the link be opened on
    this machine. Elsewhere sign in with a token that has the scope `dashboard`.
    """
    chosen = settings.from_env(os.environ)
    if not chosen.on_loopback:
        raise click.ClickException(
            "links sign in where HOST is a loopback address: use a token with the scope dashboard"
        )
    code = direct.told(sessions.make_code, name="rowline-dashboard")
    running = None if chosen.database_url else home.running(chosen.home)
    print(link((running and running.url) or chosen.address, code))


def link(address: str, code: str) -> str:
    """Return the link of a code, for the service at an address."""
    return f"{address}/dashboard/login/{code}"
