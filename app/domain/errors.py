"""The errors of the domain. They know nothing of HTTP.

    RowlineError
    ├── InvalidRequest      one or more faults, each with its path
    │   ├── UnparsableBody  the body is not the JSON that the route expects
    │   ├── UnsupportedBody the body has a media type or coding that no route accepts
    │   ├── TooLarge        a limit is exceeded
    │   ├── SlowBody        the body did not arrive in time
    │   └── KeyReused       the idempotency key was used for another request
    ├── Unauthorized        no token, or an unknown one
    ├── Forbidden           the token lacks a scope
    ├── OverQuota           a limit of the token, or of wrong tokens of an address, is reached
    ├── TokenNotFound
    ├── TokenEnded          the token is revoked or expired
    ├── NotRotating         the token has no second secret
    ├── TooManyTokens       the limit of tokens is reached
    ├── JobNotFound
    ├── WorkerNotFound      the queue has no endpoint
    ├── TooManyEndpoints    the limit of endpoints is reached
    ├── JobFinished         the job has finished already
    ├── QueueNotEmpty       the queue has jobs
    ├── QueueHasActiveJobs  the queue has active jobs
    ├── OlderNodesRun       programs are connected that would not obey what is to be stored
    ├── JobActive           the job is being worked
    ├── JobNotFinished      the job has not finished yet
    ├── JobNotDelayed       the job is not delayed
    ├── NotHeld             no job holds the deduplication id
    ├── ScheduleNotFound    the queue has no schedule with this id
    ├── PlanNotFound        the queue has no plan with this id
    ├── PlanDiffers         the plan means another number of jobs
    ├── WrongPlanStatus     the plan is in a status in which this cannot be done
    ├── TooManyPlans        the limit of unfinished plans is reached
    ├── NoRoom              the memory for long responses is in use
    ├── KeyInUse            the first request with that idempotency key is still running
    └── LeaseLost           the token does not, or no longer, hold the lease of the job

Each class has a stable `code`, for programs; `web/problems.py` maps each to an HTTP status.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

ID_SHOWN = 200  # characters of an unknown id that an error message repeats
SCOPES_SHOWN = 500  # characters of scopes


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request: `path` says where (`jobs[3].opts.priority`), `message` is a predicate of it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}".strip()


class RowlineError(Exception):
    """The base class of the errors that the service raises on purpose."""

    code: ClassVar[str] = "error"


class InvalidRequest(RowlineError):
    """The request is invalid. `faults` has at least one entry, in the order of the request."""

    code = "invalid_request"

    def __init__(self, *faults: Fault) -> None:
        """Store the faults; the first one is the message."""
        super().__init__(str(faults[0]))
        self.faults = faults


class UnparsableBody(InvalidRequest):
    """The body is not JSON by RFC 8259, or not of the type that the route expects."""

    code = "unparsable_body"


class UnsupportedBody(InvalidRequest):
    """The body is multipart or has a content coding: no route accepts that."""

    code = "unsupported_body"


class TooLarge(InvalidRequest):
    """A limit is exceeded; the message names it."""

    code = "too_large"


class SlowBody(InvalidRequest):
    """The body did not arrive in time."""

    code = "slow_body"


class KeyReused(InvalidRequest):
    """The idempotency key was used before, for a request with another body."""

    code = "idempotency_key_reused"


class Unauthorized(RowlineError):
    """The request has no token, or an unknown one. The response is the same for both, so that it reveals nothing."""

    code = "unauthorized"


class Forbidden(RowlineError):
    """The token lacks a scope. The response is the same whether the queue exists or not."""

    code = "forbidden"

    @classmethod
    def of(cls, *scopes: object) -> Self:
        """Return the error for the scopes that are missing."""
        return cls(f"the token lacks the scope {', '.join(map(str, scopes))[:SCOPES_SHOWN]}")


class OverQuota(RowlineError):
    """A limit of the token, or the limit of wrong tokens of an address, is reached. Nothing was stored."""

    code = "over_quota"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        """Set the message, and after how many seconds the request can succeed."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EventsOff(RowlineError):
    """The service tells no events: it runs with `ROWLINE_EVENTS=off`."""

    code = "events_off"


class TokenNotFound(RowlineError):
    """There is no API token with this id."""

    code = "token_not_found"


class TokenEnded(RowlineError):
    """The API token is revoked or expired."""

    code = "token_ended"


class NotRotating(RowlineError):
    """The API token has no second secret: its rotation has not begun, or is finished."""

    code = "not_rotating"


class TooManyTokens(RowlineError):
    """The maximum number of valid API tokens exists already."""

    code = "too_many_tokens"


class JobNotFound(RowlineError):
    """The queue has no job with this id."""

    code = "job_not_found"

    @classmethod
    def of(cls, queue: str, job_id: str) -> Self:
        """Return the error for this queue and id."""
        return cls(f"queue {queue!r} has no job {job_id[:ID_SHOWN]!r}")


class JobFinished(RowlineError):
    """The job is completed or failed, so that it can be neither cancelled nor changed."""

    code = "job_finished"


class JobActive(RowlineError):
    """The job is active, so that it cannot be removed, and nothing of it but its data can be changed."""

    code = "job_active"


class JobNotFinished(RowlineError):
    """The job is neither completed nor failed, so that it cannot be retried."""

    code = "job_not_finished"


class JobNotDelayed(RowlineError):
    """The job is not delayed, so that it cannot be promoted."""

    code = "job_not_delayed"


class WorkerNotFound(RowlineError):
    """No endpoint is registered for this queue."""

    code = "worker_not_found"


class TooManyEndpoints(RowlineError):
    """The maximum number of endpoints is registered already."""

    code = "too_many_endpoints"


class QueueNotEmpty(RowlineError):
    """The queue has jobs, so that it cannot be forgotten."""

    code = "queue_not_empty"


class QueueHasActiveJobs(RowlineError):
    """The queue has active jobs, so that it cannot be obliterated without force. It is paused."""

    code = "queue_has_active_jobs"


class OlderNodesRun(RowlineError):
    """Programs of an older release are connected, which would not obey this. Nothing was stored."""

    code = "older_nodes_run"


class NotHeld(RowlineError):
    """No job holds this deduplication id."""

    code = "deduplication_not_found"

    @classmethod
    def of(cls, queue: str, dedup_id: str) -> Self:
        """Return the error for an id that nobody holds."""
        return cls(f"no job of queue {queue!r} holds the deduplication id {dedup_id!r}")


class ScheduleNotFound(RowlineError):
    """The queue has no schedule with this id."""

    code = "schedule_not_found"

    @classmethod
    def of(cls, queue: str, schedule_id: str) -> Self:
        """Return the error for this queue and id."""
        return cls(f"queue {queue!r} has no schedule {schedule_id!r}")


class PlanNotFound(RowlineError):
    """The queue has no plan with this id. Plans are kept for a day after they ended."""

    code = "plan_not_found"


class PlanDiffers(RowlineError):
    """The plan means another number of jobs than the request says. Nothing was applied."""

    code = "plan_differs"


class WrongPlanStatus(RowlineError):
    """The plan is in a status in which it cannot be applied, stopped or undone; the message says which."""

    code = "wrong_plan_status"


class TooManyPlans(RowlineError):
    """The maximum number of unfinished plans of the queue exists already. An obliterate has paused the queue then."""

    code = "too_many_plans"


class KeyInUse(RowlineError):
    """The first request with this idempotency key is still running; repeat the request in a moment."""

    code = "idempotency_key_in_use"


class NoRoom(RowlineError):
    """The memory for long responses is in use, by clients that read theirs slowly. Nothing was stored or claimed."""

    code = "no_room"

    def __init__(self) -> None:
        """Set the message."""
        super().__init__("the memory for long responses is in use: repeat the request in a moment, or request less")


class LeaseLost(RowlineError):
    """The token does not hold the lease of the job: the lease ended, ran out or never existed. Nothing was changed."""

    code = "lease_lost"
