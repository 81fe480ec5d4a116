"""The API in this process: with DATABASE_URL alone a command needs no service, and acts as the account that runs it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rowline import errors
from rowline.transport import Answer, Call

from app.cli import account, service
from app.infra import settings
from app.local import embedded
from app.operations import plans
from app.postgres.database import Database
from app.queries import health
from app.web.inprocess import InProcess

CONNECTIONS = 2


class DatabaseSender:
    """Sends calls to the API in this process."""

    def __init__(self, api: InProcess, db: Database) -> None:
        """Ask `api`, which uses `db`."""
        self._api, self._db = api, db

    def send(self, call: Call, *, timeout_s: float | None = None) -> Answer:  # noqa: ARG002 - the signature of Sender
        """Ask once. Raises RowlineError."""
        reply = self._api.ask(call.method, service.target(call), call.body, call.headers or {})
        if reply.status >= 300:  # noqa: PLR2004 - HTTP's own number
            raise errors.of(reply.status, reply.body, of_attempt=False)
        return Answer(body=reply.body, headers=reply.headers)

    def plan_step(self, queue: str, plan_id: str) -> bool:
        """Make a step of a plan, as any process may. True if one was made."""
        return plans.step(self._db, queue=queue, plan_id=plan_id) is not None


@contextmanager
def opened() -> Iterator[DatabaseSender]:
    """Open the database of DATABASE_URL, or that of the `rowline run` of this home, for a block.

    Raises DatabaseError with its cause, which the responses of the API do not tell, EmbeddedError, SettingsError.
    """
    chosen = settings.from_env(os.environ)
    db = Database(
        chosen, url=chosen.database_url or embedded.url_of_running(chosen), size=CONNECTIONS, name="rowline-cli"
    )
    try:
        health.version(db)
        yield DatabaseSender(InProcess(chosen, db, account=account.actor().id), db)
    finally:
        db.close()
