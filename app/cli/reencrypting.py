"""Encrypts the secrets of endpoints again, on the database itself: the keys are the machine's."""

from collections.abc import Mapping

from app.domain.audit import Actor
from app.infra import settings
from app.infra.vault import Vault, VaultError
from app.local import embedded
from app.operations import endpoints as operations
from app.postgres.database import Database
from app.queries import endpoints as queries


def reencrypt(environ: Mapping[str, str], actor: Actor) -> tuple[int, list[str]]:
    """Encrypt all with the first key; return how many there are, and what is wrong with which queue."""
    chosen = settings.from_env(environ)
    url = chosen.database_url or embedded.url_of_running(chosen)
    db, vault = Database(chosen, url=url, size=1, name="rowline-endpoints"), Vault(chosen)
    done, left = 0, []
    for queue in queries.urls(db):
        try:
            done += operations.reseal(db, actor=actor, queue=queue, again=lambda sealed: vault.seal(vault.open(sealed)))
        except VaultError as error:
            left.append(f"{queue}: {error}")
    return done, left
