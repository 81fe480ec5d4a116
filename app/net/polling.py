"""Checks a socket without yielding: under gevent even a poll without a wait runs a turn of its loop."""

import select
from collections.abc import Iterable

from gevent import monkey

_poll = monkey.get_original("select", "poll") if monkey.is_module_patched("select") else select.poll


def has_unread(descriptor: int) -> bool:
    """Return whether there are unread bytes, or the peer has disconnected. Does not block."""
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def unread(descriptors: Iterable[int]) -> set[int]:
    """Return those of `descriptors` of which `has_unread` is true. Does not block."""
    poll = _poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(0)}
