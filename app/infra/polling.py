"""Looking at a socket without letting others run: under gevent a poll is a turn of its loop, even with no wait."""

import select

from gevent import monkey

_poll = monkey.get_original("select", "poll") if monkey.is_module_patched("select") else select.poll


def has_unread(descriptor: int) -> bool:
    """Tell whether a peer said something that nobody read, or has left. Waits for nothing."""
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
