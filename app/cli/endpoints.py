"""`rowline endpoints`: commands for the endpoints of queues."""

import os
import sys

import click

from app.cli import account
from app.infra import settings
from app.infra.vault import Vault, VaultError
from app.local import embedded
from app.operations import endpoints as operations
from app.postgres.database import Database
from app.queries import endpoints as queries


@click.group()
def endpoints() -> None:
    """Manage the endpoints of queues (webhooks)."""


@endpoints.command()
def reencrypt() -> None:
    """Rotate the encryption key. Secrets are encrypted with the first of ROWLINE_SECRET_KEYS; exit code 1 on errors."""
    chosen = settings.from_env(os.environ)
    url = chosen.database_url or embedded.url_of_running(chosen)
    db, vault = Database(chosen, url=url, size=1, name="rowline-endpoints"), Vault(chosen)
    done, left = 0, []
    for queue in queries.urls(db):
        try:
            done += operations.reseal(
                db, actor=account.actor(), queue=queue, again=lambda sealed: vault.seal(vault.open(sealed))
            )
        except VaultError as error:
            left.append(f"{queue}: {error}")
    print("\n".join([f"{done} endpoints encrypted with the first key", *left]))
    sys.exit(1 if left else 0)
