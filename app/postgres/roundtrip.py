"""Measures how long a NOTIFY takes from this process to this process, over the connections that it uses for them."""

import secrets
import threading
import time

from app.postgres.database import Database


def notify_s(db: Database, *, within_s: float) -> float | None:
    """Return how many seconds a NOTIFY took to arrive; None if none did within `within_s`.

    A first one is sent before the one that is measured, since it may have to wait for a connection.
    """
    ends_at = time.monotonic() + within_s
    took_s = None
    for _ in range(2):
        took_s = _took_s(db, ends_at=ends_at)
        if took_s is None:
            return None
    return took_s


def _took_s(db: Database, *, ends_at: float) -> float | None:
    """Send one, on a topic of its own: the first wake-up says that the connection listens to it."""
    topic = f"/doctor/{secrets.token_hex(8)}"
    arrived = threading.Semaphore(0)
    end = db.listen(topic, arrived.release)
    try:
        if not arrived.acquire(timeout=max(0.0, ends_at - time.monotonic())):
            return None
        began_at = time.monotonic()
        db.notify(topic)
        if not arrived.acquire(timeout=max(0.0, ends_at - time.monotonic())):
            return None
        return time.monotonic() - began_at
    finally:
        end()
