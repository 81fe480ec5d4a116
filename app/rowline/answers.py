"""Reads responses of the service."""

from collections.abc import Callable
from typing import Any

from rowline.values import AddedJob, AttemptInfo


def added(response: Any) -> tuple[AddedJob, ...]:
    """Return the jobs of the response to adding."""
    return tuple(AddedJob.of(job, outcome=job["outcome"]) for job in response)


def attempts(response: Any) -> tuple[AttemptInfo, ...]:
    """Return the attempts of a response."""
    hidden = response.get("hidden", ())
    return tuple(AttemptInfo.of(attempt, hidden=hidden) for attempt in response["attempts"])


def parts_of(noun: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function that reads a response with a list of this name; empty if the token may not see it."""
    return lambda response: (
        dict(response) | {noun: list(response[noun] if noun not in response.get("hidden", ()) else ())}
    )


def status(response: Any) -> str:
    """Return the status of the job of a response."""
    return str(response["status"])


def statuses(response: Any, *, count: int) -> tuple[str, ...]:
    """Return the statuses of the `count` jobs of the response to `finish`."""
    found = tuple(map(status, response["finished"]))
    if len(found) != count:
        raise ValueError(f"of {count} jobs it says the statuses of {len(found)}")
    return found
