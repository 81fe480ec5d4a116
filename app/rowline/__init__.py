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
from rowline.handlers import UnrecoverableError, handler
from rowline.job import Job, Release, RetryIn
from rowline.queueinfo import QueueInfo, Queues, WorkerInfo
from rowline.values import (
    AddedJob,
    AttemptInfo,
    Audit,
    AuditEntry,
    Completion,
    Extended,
    Failure,
    Finished,
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
    from rowline.queue import Queue

__all__ = [
    "AddedJob",
    "AttemptInfo",
    "Audit",
    "AuditEntry",
    "Completion",
    "Conflict",
    "Extended",
    "Failure",
    "Finished",
    "Forbidden",
    "InvalidRequest",
    "IssuedToken",
    "Job",
    "JobFailed",
    "JobInfo",
    "Lease",
    "LeaseLost",
    "Logs",
    "NewJob",
    "NotFound",
    "Page",
    "Queue",
    "QueueInfo",
    "Queues",
    "Release",
    "RetryIn",
    "Rowline",
    "RowlineError",
    "TokenInfo",
    "Tokens",
    "Unauthorized",
    "Unavailable",
    "UnrecoverableError",
    "WorkerInfo",
    "handler",
]

_BROUGHT_BY = {"Rowline": "rowline.client", "Queue": "rowline.queue"}


def __getattr__(name: str) -> Any:
    """Import the client, and urllib3 with it, on first use: every handler process imports this module."""
    if name not in _BROUGHT_BY:
        raise AttributeError(f"module 'rowline' has no attribute {name!r}")
    return getattr(importlib.import_module(_BROUGHT_BY[name]), name)
