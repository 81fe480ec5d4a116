"""Commands that act on the database itself: DATABASE_URL, or the embedded one of `rowline run`."""

import os
from collections.abc import Callable
from typing import TypeVar

import click

from app.cli import account
from app.cli.exits import Code, Ended
from app.domain.errors import RowlineError
from app.infra import settings
from app.local import embedded
from app.postgres.database import Database

R = TypeVar("R")


def told(act: Callable[[Database], R], *, name: str) -> R:
    """Do something on the database, as the program `name`; a fault is one line and exit code 1."""
    if os.environ.get("ROWLINE_TOKEN"):
        click.echo(f"ROWLINE_TOKEN is not used: this acts on the database itself, as {account.actor().id}", err=True)
    chosen = settings.from_env(os.environ)
    url = chosen.database_url or embedded.url_of_running(chosen)
    db = Database(chosen, url=url, size=1, name=name)
    try:
        return act(db)
    except RowlineError as error:
        raise Ended(str(error), Code.FAILED) from None
    except UnicodeEncodeError:
        raise click.ClickException("the arguments must be UTF-8") from None
    finally:
        db.close()
