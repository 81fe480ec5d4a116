"""The errors of the client.

RowlineError
├── InvalidRequest   400, 405, 413, 415, 422: the request is invalid; a retry cannot succeed
├── Unauthorized     401: the API token is missing or invalid
│   └── Forbidden    403: it lacks a scope
├── NotFound         404: no such job, or no such path
├── Conflict         409: the job's status does not allow it
│   └── LeaseLost    the attempt has lost its lease: stop working on it
├── Unavailable      429, 5xx, or no response in time; `is_outcome_unknown`: it may have been done
└── JobFailed        raised by `wait`: the job has failed
"""

import json
from collections.abc import Mapping
from typing import Any

from rowline.values import JobInfo


class RowlineError(Exception):
    """The base class. The message is for people; `code` is stable, for programs."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "error",
        details: tuple[Mapping[str, Any], ...] = (),
        request_id: str | None = None,
    ) -> None:
        """Take the members of the error response. `status` is None if there was no response."""
        super().__init__(message)
        self.message, self.status, self.code = message, status, code
        self.details, self.request_id = details, request_id


class InvalidRequest(RowlineError):
    """The request is invalid; `details` has each fault with its path."""


class Unauthorized(RowlineError):
    """The API token is missing or invalid, or, as `Forbidden`, lacks a scope."""


class Forbidden(Unauthorized):
    """The API token lacks a scope, which the message names."""


class NotFound(RowlineError):
    """There is no such job in that queue, or no such path."""


class Conflict(RowlineError):
    """The job's status does not allow the call."""


class LeaseLost(Conflict):
    """The token does not, or no longer, hold the job's lease. Nothing was changed."""


class Unavailable(RowlineError):
    """The service could not be reached, did not respond, or responded 429 or 5xx.

    `is_outcome_unknown`: the call may have taken effect nevertheless.
    """

    is_outcome_unknown = False


class JobFailed(RowlineError):
    """The job that was waited for has failed; the message is its reason."""

    def __init__(self, job: JobInfo) -> None:
        """Take the failed job."""
        super().__init__(f"job {job.id!r} failed: {job.failed_reason}", code="job_failed")
        self.job = job


_BY_STATUS: dict[int, type[RowlineError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}


def of(status: int, body: bytes, *, of_attempt: bool) -> RowlineError:
    """Return the error for a response of 300 or above. `of_attempt`: the request had an attempt's token."""
    members = _members(body)
    message = _text(members, "error") or f"the service responded with status {status}"
    details = members.get("details")
    details = tuple(one for one in details if isinstance(one, dict)) if isinstance(details, list) else ()
    code, request_id = _text(members, "code") or "error", _text(members, "requestId")
    kind = _kind(status, code, of_attempt=of_attempt)
    error = kind(message, status=status, code=code, details=details, request_id=request_id)
    if isinstance(error, Unavailable):
        is_sure = status in {429, 503} and members.get("outcome") != "unknown"
        error.is_outcome_unknown = not is_sure
    return error


def _kind(status: int, code: str, *, of_attempt: bool) -> type[RowlineError]:
    if code == "lease_lost" or (of_attempt and status == 401):  # noqa: PLR2004 - HTTP's own number
        return LeaseLost
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return Unavailable
    return _BY_STATUS.get(status, InvalidRequest)


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of an error's body; none if it is not Rowline's, as from a proxy."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _text(members: Mapping[str, Any], name: str) -> str | None:
    """Return a member that is text; None if it is not."""
    value = members.get(name)
    return value if isinstance(value, str) else None
