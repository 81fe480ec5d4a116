"""What may be done: one operation, one transaction, opened here and passed down as `conn`.

`@operation` is the one place that times and logs a verb's outcome, and does it again after a deadlock.
"""

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.infra.database import DatabaseError

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
TRIES = 3
PAUSE_S = (0.005, 0.025)


def operation(verb: Callable[P, R]) -> Callable[P, R]:
    """Log the outcome of `verb`, a function of keyword arguments after `db`, at level debug, with its time in ms."""

    @functools.wraps(verb)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        started = time.perf_counter()
        outcome = "error"
        try:
            result = _insisted(lambda: verb(*args, **kwargs))
            outcome = "ok"
        finally:
            if _log.isEnabledFor(logging.DEBUG):
                spent_ms = round((time.perf_counter() - started) * 1000, 3)
                _log.debug(verb.__name__, extra={"queue": kwargs.get("queue"), "outcome": outcome, "ms": spent_ms})
        return result

    return timed


def _insisted(verb: Callable[[], R]) -> R:
    """Do it, and do it again when PostgreSQL ended its transaction for another's sake. Raises DatabaseError."""
    tries_left = TRIES
    while True:
        tries_left -= 1
        try:
            return verb()
        except DatabaseError as error:
            if not error.is_worth_another_try or not tries_left:
                raise
        time.sleep(random.uniform(*PAUSE_S))  # noqa: S311 - no secret
