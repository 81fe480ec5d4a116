"""Reads responses of the service."""

from collections.abc import Callable, Mapping
from typing import Any

from rowline.values import AddedJob, AttemptInfo, Finished


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


def statuses(response: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the statuses of the jobs of the response to `finish`."""
    return tuple(map(status, response["finished"]))


def finished(response: Mapping[str, Any]) -> Finished:
    """Return the result of a `finish` without a claim."""
    return Finished(statuses=statuses(response), leases=())
