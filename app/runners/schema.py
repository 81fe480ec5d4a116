"""Waiting for a schema that this release can use: a process may start before the migration has run."""

import logging
import random
import threading
import time
from collections.abc import Callable

from app.infra.database import Database, DatabaseError
from app.queries import health

_log = logging.getLogger(__name__)

LOOK_S = 1.0


def wait(db: Database) -> None:
    """Return once this release can use the schema. What keeps it from that is logged once, each time it changes.

    A database that is away holds nobody up: who works on it deals with that already.
    """
    told: list[str] = []
    while faults := _faults(db):
        if faults != told:
            _log.warning("schema_awaited", extra={"cause": "; ".join(faults)})
        told = faults
        time.sleep(LOOK_S * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
    if told:
        _log.info("schema_usable")


def when_usable(db: Database, begin: Callable[[], object]) -> None:
    """Call `begin` once this release can use the schema, in a thread of its own, so that health can tell meanwhile."""

    def wait_and_begin() -> None:
        wait(db)
        begin()

    threading.Thread(target=wait_and_begin, name="schema", daemon=True).start()


def _faults(db: Database) -> list[str]:
    try:
        return health.schema_faults(db)
    except DatabaseError:
        return []
