"""Checks a socket without yielding: under gevent even a poll without a wait runs a turn of its loop."""

import select

from gevent import monkey

_poll = monkey.get_original("select", "poll") if monkey.is_module_patched("select") else select.poll


def has_unread(descriptor: int) -> bool:
    """Return whether there are unread bytes, or the peer has disconnected. Does not block."""
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
