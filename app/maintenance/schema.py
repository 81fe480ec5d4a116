"""Waits for a schema that this release can use: a process may start before the migration has run."""

import logging
import random
import threading
import time
from collections.abc import Callable

from app.postgres.database import Database, DatabaseError
from app.queries import health

_log = logging.getLogger(__name__)

LOOK_S = 1.0


def wait(db: Database) -> None:
    """Return once this release can use the schema. The faults are logged each time they change.

    Returns at once if the database is away: its users handle that already.
    """
    logged: list[str] = []
    while faults := _faults(db):
        if faults != logged:
            _log.warning("schema_awaited", extra={"cause": "; ".join(faults)})
        logged = faults
        time.sleep(LOOK_S * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
    if logged:
        _log.info("schema_usable")


def when_usable(db: Database, begin: Callable[[], object]) -> None:
    """Call `begin` once this release can use the schema, in a thread, so that health checks are answered meanwhile."""

    def wait_and_begin() -> None:
        wait(db)
        begin()

    threading.Thread(target=wait_and_begin, name="schema", daemon=True).start()


def _faults(db: Database) -> list[str]:
    try:
        return health.schema_faults(db)
    except DatabaseError:
        return []
