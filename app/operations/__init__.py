"""What may be done: one operation, one transaction, opened here and passed down as `conn`.

`@operation` is the one place that times and logs a verb's outcome.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def operation(verb: Callable[P, R]) -> Callable[P, R]:
    """Log the outcome of `verb`, a function of keyword arguments after `db`, at level debug, with its time in ms."""

    @functools.wraps(verb)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        started = time.perf_counter()
        outcome = "error"
        try:
            result = verb(*args, **kwargs)
            outcome = "ok"
        finally:
            if _log.isEnabledFor(logging.DEBUG):
                spent_ms = round((time.perf_counter() - started) * 1000, 3)
                _log.debug(verb.__name__, extra={"queue": kwargs.get("queue"), "outcome": outcome, "ms": spent_ms})
        return result

    return timed
