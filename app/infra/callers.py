"""Who asks, so that what is scarce is shared out among callers and not among their requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("caller", default="")
"""The id of the caller whose request is handled; "" for all that have none, such as health checks and own work."""


@contextmanager
def nobody() -> Iterator[None]:
    """Do the block for nobody: it finds out who asks, and what was asked before on the same connection says nothing."""
    token = current.set("")
    try:
        yield
    finally:
        current.reset(token)
