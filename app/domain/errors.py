"""What can go wrong, told without HTTP.

    RowlineError
    ├── InvalidRequest      one or many faults, each with its place
    │   ├── UnparsableBody  the body is not the JSON that was asked for
    │   ├── UnsupportedBody the body is of a kind that no route reads
    │   ├── TooLarge        over a limit
    │   ├── SlowBody        the body did not come in time
    │   └── KeyReused       an idempotency key that belongs to another request
    ├── Unauthorized        no token, or one that we do not know
    ├── JobNotFound
    ├── WorkerNotFound      the queue has no endpoint
    ├── TooManyEndpoints    no queue more may have an endpoint
    ├── JobFinished         the job has ended, so this cannot be done to it
    ├── NoRoom              other answers hold all the memory that there is for them
    ├── KeyInUse            the first request with that idempotency key is still running
    └── LeaseLost           the token is not, or no longer, the job's

Each class has a stable `code`, a word to program against; `web/problems.py` gives each its status.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

ID_SHOWN = 200  # characters of an unknown id that an error repeats


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: `path` is its place (`jobs[3].opts.priority`), `message` a predicate to it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}".strip()


class RowlineError(Exception):
    """The root: everything the service refuses on purpose."""

    code: ClassVar[str] = "error"


class InvalidRequest(RowlineError):
    """The request means nothing we can do. `faults` has at least one entry, in the order of the request."""

    code = "invalid_request"

    def __init__(self, *faults: Fault) -> None:
        """Keep the faults; the first is the message."""
        super().__init__(str(faults[0]))
        self.faults = faults


class UnparsableBody(InvalidRequest):
    """The body is not JSON as RFC 8259 has it, or not of the shape that the route reads."""

    code = "unparsable_body"


class UnsupportedBody(InvalidRequest):
    """The body is multipart or encoded: nothing here reads it."""

    code = "unsupported_body"


class TooLarge(InvalidRequest):
    """A limit was exceeded; the message names it."""

    code = "too_large"


class SlowBody(InvalidRequest):
    """The body came too slowly, or not at all."""

    code = "slow_body"


class KeyReused(InvalidRequest):
    """The idempotency key was used for a request with another body, and belongs to that one."""

    code = "idempotency_key_reused"


class Unauthorized(RowlineError):
    """Whoever asks has shown no token that we know. One answer for both, so that nothing can be learnt from it."""

    code = "unauthorized"


class JobNotFound(RowlineError):
    """No job of that id in that queue."""

    code = "job_not_found"

    @classmethod
    def of(cls, queue: str, job_id: str) -> Self:
        """Say which."""
        return cls(f"queue {queue!r} has no job {job_id[:ID_SHOWN]!r}")


class JobFinished(RowlineError):
    """The job has ended, so what was asked cannot be done to it."""

    code = "job_finished"


class WorkerNotFound(RowlineError):
    """No endpoint is registered for that queue."""

    code = "worker_not_found"


class TooManyEndpoints(RowlineError):
    """So many queues have an endpoint that no other may have one."""

    code = "too_many_endpoints"


class KeyInUse(RowlineError):
    """The first request with this idempotency key is still running; its answer can be had in a moment."""

    code = "idempotency_key_in_use"


class NoRoom(RowlineError):
    """Clients that take their answers slowly hold the memory there is for long ones. Nothing was stored or claimed."""

    code = "no_room"

    def __init__(self) -> None:
        """Say so: there is nothing else to say."""
        super().__init__("There is no memory left for a long answer: ask again in a moment, or for less")


class LeaseLost(RowlineError):
    """The job is not under the lease that was named: it ended, ran out, or never was. Nothing was changed."""

    code = "lease_lost"
