"""What the verbs do to jobs whose rows are locked: one, or many. Each returns the numbers of those that it changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain import defaults
from app.domain.job import ATTEMPTS_MAX, Change, JsonText, LockedJob
from app.domain.options import DEFAULTABLE
from app.domain.states import DELAYED, READY
from app.postgres.database import Connection
from app.store import jobs, retention


def remove(conn: Connection, queue: str, locked: Sequence[LockedJob]) -> int:
    """Delete jobs that are not active, with their attempts and logs; return how many."""
    return jobs.remove(conn, queue=queue, numbers=_numbers(locked))


def cancel(conn: Connection, queue: str, locked: Sequence[LockedJob]) -> set[int]:
    """Fail jobs that are ready or delayed, and ask the workers of active ones to stop; then call `remove_at_once`."""
    failed = jobs.cancel(conn, queue=queue, numbers=_numbers(locked))
    others = [job.number for job in locked if job.number not in failed]
    return failed | jobs.request_cancel(conn, queue=queue, numbers=others) if others else failed


def remove_at_once(conn: Connection, queue: str, locked: Sequence[LockedJob]) -> int:
    """Remove those of the jobs that were ready or delayed and are not to be kept when they fail; return how many."""
    gone = [job.number for job in locked if job.goes and job.status in READY | DELAYED]
    return retention.remove_at_once(conn, queue=queue, numbers=gone)


def retry(conn: Connection, queue: str, locked: Sequence[LockedJob], *, reset_attempts: bool = True) -> set[int]:
    """Make jobs that have ended ready again. Without `reset_attempts` those made count, and one more is allowed."""
    attempts = [None if reset_attempts else _attempts_to_go_on(job) for job in locked]
    changes = [{} if allowed is None else {"attempts": allowed} for allowed in attempts]
    return jobs.retry(
        conn,
        queue=queue,
        numbers=_numbers(locked),
        reset_attempts=reset_attempts,
        attempts=attempts,
        effectives=[*map(_effective, locked, changes)],
    )


def promote_now(conn: Connection, queue: str, locked: Sequence[LockedJob]) -> set[int]:
    """Make delayed jobs ready."""
    effectives = [_effective(job, {"delay": 0}) for job in locked]
    return jobs.promote_now(conn, queue=queue, numbers=_numbers(locked), effectives=effectives)


def change(conn: Connection, queue: str, locked: Sequence[LockedJob], change: Change) -> set[int]:
    """Change jobs that are ready or delayed."""
    values = {name: getattr(change, option.field, None) for name, option in DEFAULTABLE.items()}
    changes = {name: value for name, value in values.items() if value is not None}
    effectives = [_effective(job, changes) for job in locked]
    return jobs.change(conn, queue=queue, numbers=_numbers(locked), change=change, effectives=effectives)


def _numbers(locked: Sequence[LockedJob]) -> list[int]:
    return [job.number for job in locked]


def _attempts_to_go_on(locked: LockedJob) -> int:
    """Return how many attempts a job may make, of which those made count, if it is to make one more at least."""
    return max(locked.attempts, min(locked.attempts_made + 1, ATTEMPTS_MAX))


def _effective(locked: LockedJob, changes: Mapping[str, Any]) -> JsonText | None:
    """Return the options that hold instead of those sent, after `changes`."""
    if not changes:
        return locked.effective
    return defaults.effective_after(opts=locked.opts, effective=locked.effective, changes=changes)
