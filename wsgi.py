"""The WSGI application for `gunicorn --config python:app.web.server wsgi:application`, which `rowline serve` runs.

Each gunicorn worker imports it after its fork, and so has its own connections and threads.
"""

import logging
import os

from app.infra import settings
from app.infra.metrics import ProcessMetrics
from app.maintenance import maintainer, sampling, schema
from app.maintenance.presence import Presence
from app.postgres.database import Database
from app.web import app
from app.web.worker import PULLING

_settings = settings.from_env(os.environ)
_db = Database(
    _settings,
    url=_settings.require_database_url(),
    size=_settings.api_connections + 1,
    name="rowline-api",
    limit_ms=_settings.request_ms,
)


def _begin() -> None:
    maintainer.start(_settings, _db, is_low_priority=True)
    # What it writes stays when it stops: the workers go on, and call another node.
    Presence(_db, application.extensions[PULLING].sightings).start()


_process = ProcessMetrics()
sampling.watch(_db, _process)
application = app.create(_settings, _db, _process)
schema.when_usable(_db, _begin)
logging.getLogger(__name__).info("api_started", extra={"host": _settings.host, "port": _settings.port})
