"""`rowline dispatch`: the dispatcher, which sends jobs to the endpoints of their queues (webhooks)."""

import os
import sys

import click
from gevent import monkey

from app.infra import interrupt, log, settings
from app.local import processes
from app.maintenance import maintainer, presence, schema
from app.net import connections
from app.postgres.database import Database
from app.push.dispatcher import Dispatcher

CONNECTIONS = 6  # to the database, shared by the dispatchers of all endpoints and the loops of the maintainer
OPEN_FILES = 65_536  # requested: each call takes one


@click.command()
def dispatch() -> None:
    """Send jobs to webhooks. These are the endpoints of their queues, in the database DATABASE_URL. SIGTERM drains."""
    chosen = settings.from_env(os.environ)
    chosen.require_database_url()
    if not monkey.is_module_patched("socket"):
        # gevent must patch the standard library before psycopg is imported: the process starts again, patched.
        patched = [sys.executable, *interrupt.RUN, "gevent.monkey", "--module", "app", "dispatch"]
        os.execve(sys.executable, patched, dict(os.environ))  # noqa: S606 - fixed arguments, no shell
    log.configure(chosen.log_level)
    needed = chosen.max_endpoints + connections.IDLE_MAX + connections.FILES_BESIDE  # a call of each endpoint at once
    allowed = processes.allow_open_files(OPEN_FILES)
    if fault := processes.files_fault("A dispatcher", allowed=allowed, needed=needed):
        print(fault, file=sys.stderr, flush=True)
    db = Database(chosen, url=chosen.require_database_url(), size=CONNECTIONS, name="rowline-dispatcher")
    schema.wait(db)
    maintainer.start(chosen, db)
    dispatcher = Dispatcher(chosen, db)
    with presence.shown(db, dispatcher.sightings):
        dispatcher.run()
