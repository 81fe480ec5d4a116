"""Handlers: what a worker runs for a job of a name."""

import sys
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
            raise ValueError(f"two handlers for jobs called {name!r}: {_both(_registry[name], function)}")
        _registry[name] = function
        return function

    return register


def _both(first: Handler, second: Handler) -> str:
    """Say where two handlers stand: two names for one file are one function, seen twice."""
    modules = [str(getattr(one, "__module__", None)) for one in (first, second)]
    files = [getattr(sys.modules.get(module), "__file__", None) for module in modules]
    if files[0] and files[0] == files[1] and modules[0] != modules[1]:
        return f"{files[0]} was imported twice, as {modules[0]} and as {modules[1]}: import it by one of the names"
    names = [getattr(one, "__qualname__", type(one).__qualname__) for one in (first, second)]
    places = zip(modules, names, files, strict=True)
    return " and ".join(f"{module}.{name}" + (f" in {file}" if file else "") for module, name, file in places)


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
