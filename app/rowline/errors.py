"""What can go wrong for who talks to the service.

RowlineError
├── InvalidRequest   400, 405, 413, 415, 422: the same call will be refused again
├── Unauthorized     401, 403: the API token is missing, unknown, or without the right
├── NotFound         404: no such job, or no such path
├── Conflict         409: the job's state does not allow it
│   └── LeaseLost    the attempt is not, or no longer, yours: stop working on it
├── Unavailable      no answer in time, or one that says: not now. Whether it was done: `is_outcome_unknown`
└── JobFailed        raised by `wait`: the job has failed
"""

import json
from collections.abc import Mapping
from typing import Any

from rowline.values import JobInfo


class RowlineError(Exception):
    """The root. The message is for people; `code` is a stable word to program against."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "error",
        details: tuple[Mapping[str, Any], ...] = (),
        request_id: str | None = None,
    ) -> None:
        """Keep what the service said. `status` is None where there was no answer."""
        super().__init__(message)
        self.message, self.status, self.code = message, status, code
        self.details, self.request_id = details, request_id


class InvalidRequest(RowlineError):
    """The call means nothing that the service can do; `details` has each fault with its place."""


class Unauthorized(RowlineError):
    """The API token is missing, unknown, or without the right."""


class NotFound(RowlineError):
    """There is no such job in that queue, or no such path."""


class Conflict(RowlineError):
    """The job's state does not allow it."""


class LeaseLost(Conflict):
    """The token is not, or no longer, the job's. Nothing was changed."""


class Unavailable(RowlineError):
    """The service could not be reached, did not answer, or said: not now.

    `is_outcome_unknown`: the call may have been done nevertheless.
    """

    is_outcome_unknown = False


class JobFailed(RowlineError):
    """The job that was waited for has failed; the message is its reason."""

    def __init__(self, job: JobInfo) -> None:
        """Keep the job."""
        super().__init__(f"job {job.id!r} failed: {job.failed_reason}", code="job_failed")
        self.job = job


_BY_STATUS: dict[int, type[RowlineError]] = {401: Unauthorized, 403: Unauthorized, 404: NotFound, 409: Conflict}


def of(status: int, body: bytes, *, of_attempt: bool) -> RowlineError:
    """Read an answer of 300 and above. `of_attempt`: its credential was an attempt's token."""
    told = _members(body)
    message = told.get("error") or f"the service answered {status}"
    details = tuple(told.get("details") or ())
    code, request_id = told.get("code") or "error", told.get("requestId")
    kind = _kind(status, code, of_attempt=of_attempt)
    error = kind(message, status=status, code=code, details=details, request_id=request_id)
    if isinstance(error, Unavailable):
        is_sure = status in {429, 503} and told.get("outcome") != "unknown"
        error.is_outcome_unknown = not is_sure
    return error


def _kind(status: int, code: str, *, of_attempt: bool) -> type[RowlineError]:
    if code == "lease_lost" or (of_attempt and status == 401):  # noqa: PLR2004 - HTTP's own number
        return LeaseLost
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return Unavailable
    return _BY_STATUS.get(status, InvalidRequest)


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of an error's body; none if something between us and the service wrote it."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
