"""The package for programs: handlers for the Python worker, and a client of the HTTP API.

    import rowline

    @rowline.handler("greet")
    def greet(job: rowline.Job) -> object:
        return f"Hello {job.data['name']}"

    rowline.Rowline("http://127.0.0.1:8080", token).queue("mail").add("greet", {"name": "Ada"})

It imports nothing of the service, so that it can be used beside any other package, even one called `app`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from rowline.doctor import Diagnosis, Finding
from rowline.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    JobFailed,
    LeaseLost,
    NotFound,
    RowlineError,
    Unauthorized,
    Unavailable,
)
from rowline.failures import FailureGroup, Failures
from rowline.handlers import UnrecoverableError, handler
from rowline.job import Job, Release, RetryIn
from rowline.queueinfo import KeyInfo, MinutesInfo, QueueInfo, Queues, WorkerInfo
from rowline.running import Running, RunningJob
from rowline.values import (
    AddedJob,
    AttemptInfo,
    Audit,
    AuditEntry,
    Completion,
    Extended,
    Failure,
    Finished,
    HeldId,
    IssuedToken,
    JobInfo,
    Lease,
    Logs,
    NewJob,
    Page,
    TokenInfo,
    Tokens,
)

if TYPE_CHECKING:
    from rowline.client import Rowline
    from rowline.declared import scheduled
    from rowline.endpoints import EndpointInfo, Endpoints
    from rowline.events import EventInfo, Events
    from rowline.explain import Explanation, Scaling
    from rowline.plans import Plan, PlanInfo
    from rowline.queue import Queue
    from rowline.schedules import RunInfo, Schedule, ScheduleInfo, Tick
    from rowline.series import Duration, Durations, Series, SeriesTotal

__all__ = [
    "AddedJob",
    "AttemptInfo",
    "Audit",
    "AuditEntry",
    "Completion",
    "Conflict",
    "Diagnosis",
    "Duration",
    "Durations",
    "EndpointInfo",
    "Endpoints",
    "EventInfo",
    "Events",
    "Explanation",
    "Extended",
    "Failure",
    "FailureGroup",
    "Failures",
    "Finding",
    "Finished",
    "Forbidden",
    "HeldId",
    "InvalidRequest",
    "IssuedToken",
    "Job",
    "JobFailed",
    "JobInfo",
    "KeyInfo",
    "Lease",
    "LeaseLost",
    "Logs",
    "MinutesInfo",
    "NewJob",
    "NotFound",
    "Page",
    "Plan",
    "PlanInfo",
    "Queue",
    "QueueInfo",
    "Queues",
    "Release",
    "RetryIn",
    "Rowline",
    "RowlineError",
    "RunInfo",
    "Running",
    "RunningJob",
    "Scaling",
    "Schedule",
    "ScheduleInfo",
    "Series",
    "SeriesTotal",
    "Tick",
    "TokenInfo",
    "Tokens",
    "Unauthorized",
    "Unavailable",
    "UnrecoverableError",
    "WorkerInfo",
    "handler",
    "scheduled",
]

_BROUGHT_BY = {
    "Duration": "rowline.series",
    "Durations": "rowline.series",
    "EndpointInfo": "rowline.endpoints",
    "Endpoints": "rowline.endpoints",
    "Explanation": "rowline.explain",
    "EventInfo": "rowline.events",
    "Events": "rowline.events",
    "Plan": "rowline.plans",
    "PlanInfo": "rowline.plans",
    "Queue": "rowline.queue",
    "Rowline": "rowline.client",
    "RunInfo": "rowline.schedules",
    "Scaling": "rowline.explain",
    "Schedule": "rowline.schedules",
    "ScheduleInfo": "rowline.schedules",
    "Series": "rowline.series",
    "SeriesTotal": "rowline.series",
    "Tick": "rowline.schedules",
    "scheduled": "rowline.declared",
}


def __getattr__(name: str) -> Any:
    """Import the client, and urllib3 with it, on first use: every handler process imports this module."""
    if name not in _BROUGHT_BY:
        raise AttributeError(f"module 'rowline' has no attribute {name!r}")
    return getattr(importlib.import_module(_BROUGHT_BY[name]), name)
