"""What `rowline dispatch` runs once it has begun again with the standard library patched."""

import sys

from app.infra import log
from app.infra.settings import Settings
from app.local import processes
from app.maintenance import maintainer, presence, sampling, schema
from app.net import connections
from app.postgres.database import Database
from app.push.dispatcher import Dispatcher

CONNECTIONS = 6  # to the database, shared by the dispatchers of all endpoints and the loops of the maintainer
OPEN_FILES = 65_536  # requested: each call takes one


def run(chosen: Settings) -> None:
    """Dispatch until SIGTERM has ended all calls."""
    log.configure(chosen.log_level, chosen.log)
    needed = chosen.max_endpoints + connections.IDLE_MAX + connections.FILES_BESIDE  # a call of each endpoint at once
    allowed = processes.allow_open_files(OPEN_FILES)
    if fault := processes.files_fault("A dispatcher", allowed=allowed, needed=needed):
        print(fault, file=sys.stderr, flush=True)
    db = Database(chosen, url=chosen.require_database_url(), size=CONNECTIONS, name="rowline-dispatcher")
    process = sampling.serve(chosen, db)
    schema.wait(db)
    maintainer.start(chosen, db)
    dispatcher = Dispatcher(chosen, db, note_call=process.note_call) if process else Dispatcher(chosen, db)
    with presence.shown(db, dispatcher.sightings):
        dispatcher.run()
