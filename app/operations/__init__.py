"""Writes: one operation is one transaction, which is opened here and passed down as `conn`.

`@operation` times an operation, logs its outcome, and retries it after a deadlock, a serialization failure, a lock
timeout or an error of a stale session.
"""

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from app.postgres.database import Database, DatabaseError

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
TRIES = 3
PAUSE_S = (0.005, 0.025)
TRYING_SHARE = 0.65
"""The share of a transaction's time limit in which a retry may begin, so that the response stays in time."""


def operation(verb: Callable[Concatenate[Database, P], R]) -> Callable[Concatenate[Database, P], R]:
    """Log the outcome of `verb`, a function of keyword arguments after `db`, at level debug, with its time in ms."""

    @functools.wraps(verb)
    def timed(db: Database, /, *args: P.args, **kwargs: P.kwargs) -> R:
        started = time.perf_counter()
        outcome = "error"
        try:
            result = _with_retries(lambda: verb(db, *args, **kwargs), within_s=TRYING_SHARE * db.limit_s)
            outcome = "ok"
        finally:
            if _log.isEnabledFor(logging.DEBUG):
                spent_ms = round((time.perf_counter() - started) * 1000, 3)
                _log.debug(verb.__name__, extra={"queue": kwargs.get("queue"), "outcome": outcome, "ms": spent_ms})
        return result

    return timed


def _with_retries(verb: Callable[[], R], *, within_s: float) -> R:
    """Run `verb`; retry it after errors that are worth a retry (`is_worth_another_try`). Raises DatabaseError."""
    ends_at = time.monotonic() + within_s
    tries_left = TRIES
    while True:
        tries_left -= 1
        try:
            return verb()
        except DatabaseError as error:
            if not error.is_worth_another_try or not tries_left or time.monotonic() > ends_at:
                raise
        time.sleep(random.uniform(*PAUSE_S))  # noqa: S311 - no secret
