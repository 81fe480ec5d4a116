"""The doctor: looks at the server, the roles, the nodes and the work, and says what is wrong."""

import copy
import threading
import time
from collections.abc import Callable
from typing import Any

from app.domain import diagnosis
from app.domain.doctor import Facts, Limits, Progress, Report
from app.infra.release import HEAD
from app.infra.vault import Vault, VaultError
from app.postgres import roundtrip
from app.postgres.database import Database, DatabaseError
from app.queries import health
from app.store import doctor as store

NOTIFY_S = 3.0
"""How long a NOTIFY may take; then none arrives."""
STILL_S = 3.0
"""How long work must stand still: several rounds of the process that does it."""
LOOK_S = 0.2
FRESH_S = 2.0
LIMITS = Limits()


class Doctor:
    """Examines for many who ask: one examination at a time, whose report is used again for FRESH_S. Thread-safe.

    That the database is away is used again too: those who wait would each wait for it in turn.
    """

    def __init__(self, db: Database, vault: Vault) -> None:
        """Prepare; nothing is looked at before the first question."""
        self._db, self._vault = db, vault
        self._examining = threading.Lock()
        self._found: tuple[float, Report | DatabaseError] | None = None  # good until, on the monotonic clock

    def report(self) -> Report:
        """Return a report that is at most FRESH_S old. Takes up to 6 s. Raises DatabaseError."""
        with self._examining:
            if self._found is None or time.monotonic() >= self._found[0]:
                made = self._made()
                self._found = (time.monotonic() + FRESH_S, made)
            found = self._found[1]
        if isinstance(found, DatabaseError):
            raise copy.copy(found) from found  # each who waits raises its own: they are in several threads
        return found

    def _made(self) -> Report | DatabaseError:
        try:
            return examine(self._db, self._vault)
        except DatabaseError as error:
            return error


def examine(db: Database, vault: Vault, *, limits: Limits = LIMITS, still_s: float = STILL_S) -> Report:
    """Look at everything now, and say what is wrong. Raises DatabaseError if the database is away.

    Takes as long as a NOTIFY takes; NOTIFY_S if none arrives, and up to `still_s` more while there is work to watch.
    No connection is held meanwhile.
    """
    with db.read() as conn:
        server, members = health.kind_faults(conn), store.of_server(conn)
    schema = health.schema_faults(db)
    members |= {"revision": health.version(db).revision, "pooler": db.pooler_faults()}
    members |= {} if schema else _of_service(db, vault, limits=limits, still_s=still_s)
    facts = Facts(server=server, schema=schema, notify_s=roundtrip.notify_s(db, within_s=NOTIFY_S), **members)
    return Report(findings=diagnosis.findings(facts, limits=limits, release=HEAD), facts=facts)


def _of_service(db: Database, vault: Vault, *, limits: Limits, still_s: float) -> dict[str, Any]:
    """Return the members of `Facts` that need the tables of the service."""
    with db.read() as conn:
        first, sealed = store.look(conn, limits=limits), store.sealed(conn)

    def again() -> Progress:
        with db.read() as conn:
            return store.look(conn, limits=limits).progress

    still = _still(first.progress, again, within_s=still_s)
    return {
        "deltas": first.progress.deltas,
        "waiting_terms": first.waiting_terms,
        "is_fold_still": bool(still.deltas),
        "still_plans": [*still.plans],
        "still_terms": [*still.terms],
        "unreadable": [one.queue for one in sealed if not _is_readable(vault, one)],
        "invalid_indexes": health.invalid_indexes(db),
    }


def _still(first: Progress, again: Callable[[], Progress], *, within_s: float) -> Progress:
    """Return what of the `first` look stays as it was for `within_s`; ends as soon as nothing does."""
    ends_at = time.monotonic() + within_s
    left = first
    while left.is_any and time.monotonic() < ends_at:
        time.sleep(LOOK_S)
        left = left.still(again())
    return left


def _is_readable(vault: Vault, one: store.SealedEndpoint) -> bool:
    try:
        for value in one.values:
            vault.open(value)
    except VaultError:
        return False
    return True
