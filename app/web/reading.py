"""The bodies that clients with a token are sending: slow ones give their connections up for others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from app.infra import callers

_reading: dict[gevent.Greenlet, tuple[str, gevent.Timeout]] = {}
"""By the greenlets of their connections, who sends them, and what ends it; the longest wait is the first."""


@contextmanager
def until(end: gevent.Timeout) -> Iterator[None]:
    """Wait for a part of a body in the block, at most until `end`, which raises its error."""
    greenlet = gevent.getcurrent()
    with end:
        _reading[greenlet] = callers.current.get(), end
        try:
            yield
        finally:
            _reading.pop(greenlet, None)


def take_longest(*, more_than: int) -> tuple[gevent.Timeout, gevent.Greenlet] | None:
    """Return once the body that takes longest, of the caller that sends the most, if these are over `more_than`."""
    senders = Counter(caller for caller, _ in _reading.values()).most_common(1)
    if not senders or senders[0][1] <= more_than:
        return None
    greenlet = next(one for one, (caller, _) in _reading.items() if caller == senders[0][0])
    return _reading.pop(greenlet)[1], greenlet
