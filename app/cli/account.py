"""Acts of the command line, on the database itself: who acts, for the audit, and what becomes of errors."""

import os
import pwd
from collections.abc import Callable
from typing import TypeVar

import click

from app.domain.audit import Actor
from app.domain.errors import RowlineError
from app.infra import settings
from app.local import embedded
from app.postgres.database import Database

R = TypeVar("R")


def actor() -> Actor:
    """Return the account of this process, whatever its environment says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in a container
        name = str(os.getuid())
    return Actor(id=f"cli:{name}")


def on_database(act: Callable[[Database], R], *, command: str) -> R:
    """Do something on the database, for a command; a fault is one line and exit code 1."""
    chosen = settings.from_env(os.environ)
    url = chosen.database_url or embedded.url_of_running(chosen)
    db = Database(chosen, url=url, size=1, name=f"rowline-{command}")
    try:
        return act(db)
    except RowlineError as error:
        raise click.ClickException(str(error)) from None
    except UnicodeEncodeError:
        raise click.ClickException("the arguments must be UTF-8") from None
    finally:
        db.close()
