"""The registry of handlers, by the names of jobs."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from rowline.job import Job

Handler = Callable[[Job], Any]
H = TypeVar("H", bound=Handler)

ANY_NAME = "*"

_registry: dict[str, Handler] = {}
schedules: dict[str, dict[str, Any]] = {}
"""The schedules that are declared, by id: the bodies of the requests that make them."""


class UnrecoverableError(Exception):
    """Raised by a handler, it fails the job without further attempts."""


UnrecoverableError.__module__ = "rowline"  # the name that users know it by, in reasons and stack traces


class NobodyHandles(LookupError):
    """There is no handler for jobs of this name."""


def handler(name: str) -> Callable[[H], H]:
    """Register a function for jobs called `name`; `*` takes all jobs without a handler of their own.

    The function takes the `Job` and returns a JSON value, the job's result. An exception fails the attempt.
    """
    if not isinstance(name, str):
        raise TypeError("the name of the jobs is missing: @rowline.handler('name')")

    def registered(function: H) -> H:
        if name in _registry:
            raise ValueError(f"two handlers for jobs called {name!r}: {_both(_registry[name], function)}")
        _registry[name] = function
        return function

    return registered


def register(name: str, function: Handler) -> None:
    """Register a function for jobs called `name`, unless it is their handler already."""
    if _registry.get(name) is not function:
        handler(name)(function)


def _both(first: Handler, second: Handler) -> str:
    """Describe where two handlers are defined; one file imported by two names registers its handlers twice."""
    modules = [str(getattr(one, "__module__", None)) for one in (first, second)]
    files = [getattr(sys.modules.get(module), "__file__", None) for module in modules]
    if files[0] and files[0] == files[1] and modules[0] != modules[1]:
        return f"{files[0]} was imported twice, as {modules[0]} and as {modules[1]}: import it under one name only"
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
    """Return the names of jobs that have handlers, sorted."""
    return sorted(_registry)
