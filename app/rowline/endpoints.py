"""Endpoints of queues as the client shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInfo:
    """The endpoint of a queue, without its headers and secrets. Times are ms since the epoch."""

    queue: str
    url: str
    method: str
    timeout_ms: int  # of a call
    concurrency: int  # calls at a time
    limiter: dict[str, int] | None  # at most `max` calls in each `duration` ms
    max_stalled_count: int | None
    sees_payload: bool  # it is sent what earlier attempts left of a job too
    registered_on: int
    is_on: bool  # dispatchers send it the jobs of the queue
    switched_off_on: int | None
    switched_off_reason: str | None
    paused_until: int | None  # until when it asked for no calls; None: it does not

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the endpoint of a response. Unknown members are ignored."""
        return cls(
            queue=members["queue"],
            url=members["url"],
            method=members["method"],
            timeout_ms=members["timeout"],
            concurrency=members["concurrency"],
            limiter=members.get("limiter"),
            max_stalled_count=members.get("maxStalledCount"),
            sees_payload=members["seesPayload"],
            registered_on=members["registeredOn"],
            is_on=members["isOn"],
            switched_off_on=members.get("switchedOffOn"),
            switched_off_reason=members.get("switchedOffReason"),
            paused_until=members.get("pausedUntil"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Some endpoints, by queue, and how many match."""

    endpoints: tuple[EndpointInfo, ...]
    count: int

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Return the endpoints of a response."""
        return cls(endpoints=tuple(map(EndpointInfo.of, members["endpoints"])), count=members["count"])
