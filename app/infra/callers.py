"""Who asks, so that what is scarce is shared out among callers and not among their requests."""

from contextvars import ContextVar

current: ContextVar[str] = ContextVar("caller", default="")
"""The id of the caller whose request is handled; "" for all that have none, such as health checks and own work."""
