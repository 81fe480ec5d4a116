"""Reads of plans: one, a page of them, and some of the jobs of one."""

from collections.abc import Sequence

from app.domain.errors import PlanNotFound
from app.domain.job import Job
from app.domain.plan import SAMPLE, Plan, PlanStatus
from app.infra.room import SMALL
from app.postgres.database import Database
from app.queries.permits import long_read
from app.queries.queues import like
from app.store import plans


def find(db: Database, *, queue: str, plan_id: str) -> Plan:
    """Return a plan. Raises PlanNotFound, DatabaseError."""
    with db.read() as conn:
        found = plans.find(conn, queue=queue, plan_id=plan_id)
    if found is None:
        raise PlanNotFound(f"queue {queue!r} has no plan {plan_id!r}")
    return found


def page(db: Database, *, queue: str, start: int, length: int) -> list[Plan]:
    """Return `length` plans of a queue from `start`, the newest first. Raises DatabaseError."""
    with long_read(db, if_beyond=start + length), db.read() as conn:
        return plans.page(conn, queue=queue, start=start, length=length)


def page_of_all(db: Database, *, allowed: Sequence[str], start: int, length: int) -> list[Plan]:
    """Return `length` plans from `start` of the queues that match one of `allowed`. Raises DatabaseError.

    Those that go on by themselves come first, then the others, each the newest first. Takes a permit for long reads:
    it walks over the plans of all queues.
    """
    with long_read(db), db.read() as conn:
        return plans.page_of_all(conn, allowed=[*map(like, allowed)], start=start, length=length)


def sample(db: Database, plan: Plan) -> list[Job] | None:
    """Return the first jobs of a plan that is planned, or of those that its undo left, without long ones; else None.

    Raises DatabaseError.
    """
    has_left = plan.status is PlanStatus.UNDONE and plan.not_undone > 0
    if plan.status is not PlanStatus.PLANNED and not has_left:
        return None
    with db.read() as conn:
        return (plans.left if has_left else plans.sample)(conn, plan, limit=SAMPLE, max_bytes=SMALL)
