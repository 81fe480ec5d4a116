"""Handlers: what a worker runs for a job of a name."""

from collections.abc import Callable
from typing import Any, TypeVar

from rowline.job import Job

Handler = Callable[[Job], Any]
H = TypeVar("H", bound=Handler)

ANY_NAME = "*"

_registry: dict[str, Handler] = {}


class UnrecoverableError(Exception):
    """Raised by a handler, it ends the job: the attempts that are left are not made."""


UnrecoverableError.__module__ = "rowline"  # the name that users know it by, in reasons and stack traces


class NobodyHandles(LookupError):
    """There is no handler for jobs of this name."""


def handler(name: str) -> Callable[[H], H]:
    """Register a function for jobs called `name`; `*` takes every job that has no handler of its own.

    It gets the `Job` and returns a JSON value, which becomes the job's result. Whatever it raises is a failure.
    """
    if not isinstance(name, str):
        raise TypeError("say which jobs it is for: @rowline.handler('name')")

    def register(function: H) -> H:
        if name in _registry:
            raise ValueError(f"two handlers for jobs called {name!r}")
        _registry[name] = function
        return function

    return register


def find(name: str) -> Handler:
    """Return the handler of jobs called `name`. Raises NobodyHandles."""
    found = _registry.get(name) or _registry.get(ANY_NAME)
    if found is None:
        there_are = ", ".join(sorted(_registry))
        raise NobodyHandles(f"no handler for jobs called {name!r}; there is one for: {there_are}")
    return found


def names() -> list[str]:
    """Return what there are handlers for."""
    return sorted(_registry)
