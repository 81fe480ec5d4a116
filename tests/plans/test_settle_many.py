"""Statements that settle many jobs find the values of each without comparing every row with every value."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from app.domain.job import Completion, JsonText
from app.domain.retention import Keep
from app.infra.settings import Settings
from app.postgres.database import Connection, Database
from app.store import leases
from tests.plans.test_plans import analyzed, buffers, nodes
from tests.support import databases
from tests.support.jobs import insert, new

AT_ONCE = 1_000
FAILURES: dict[str, object] = {
    "reasons": "r",
    "stacks": "s",
    "are_timeouts": "f",
    "stacks_kept": 5,
    "include_expired": "f",
}
REASONS = {"reason": "r", "fingerprint": "f", "cancelled": "c"}
TOLD: dict[str, dict[str, object]] = {
    "leases/complete": {"results": "1"},
    "leases/completed_before": {"results": "1"},
    "leases/ended_before": {"outcomes": "{failed}"},
    "leases/extend": {"lease_ms": 90_000, "grace_ms": 1},
    "leases/fail": FAILURES | {"fingerprints": "f"},
    "leases/expire": {},
    "leases/lock": {},
    "leases/recover_stalled": {"limit": AT_ONCE, "max_stalled_count": 1, **REASONS, "cancelled_fingerprint": "f"},
    "leases/release": {"delays_ms": "5", "cancelled": "c", "fingerprint": "f"},
    "leases/retry_later": FAILURES | {"delays_ms": "5"},
}
"""What is said to a statement of each of many jobs (texts), and of all."""
EACH = {"results", "reasons", "stacks", "are_timeouts", "delays_ms", "fingerprints"}
ENDED = {"leases/completed_before": "completed", "leases/ended_before": "failed"}


@pytest.fixture(scope="module")
def held(server_url: str, template: str) -> Iterator[Database]:
    """A queue of jobs that all are held."""
    with databases.fresh(server_url, template=template) as url:
        db = Database(Settings(database_url=url, statement_ms=60_000), url=url, size=1, name="plans")
        with db.begin() as conn:
            insert(conn, *[new() for _ in range(AT_ONCE)])
            leases.claim(conn, queue="q", limit=AT_ONCE, lease_ms=60_000, worker="w")
        yield db
        db.close()


def end(conn: Connection, status: str) -> None:
    """Have all jobs ended."""
    conn.exec_driver_sql(
        "with ended as (update rowline.jobs set status = %(status)s, finished_at = now(), leased_until = null, "
        "attempts_made = 1, result = case when %(status)s = 'completed' then '1'::json end, "
        "failed_reason = case when %(status)s = 'failed' then 'r' end returning *) "
        "insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome) "
        "select queue, number, 1, 'w', now(), now(), status from ended where status = 'failed'",
        {"status": status},
    )


def array(values: Iterable[object]) -> str:
    """Write an array as PostgreSQL reads it."""
    return "{" + ",".join(map(str, values)) + "}"


def touched(plan: dict[str, Any]) -> int:
    """Count the rows that all steps of a plan gave, or looked at and dropped."""
    counters = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    return int(sum(node.get(counter, 0) * node["Actual Loops"] for node in nodes(plan) for counter in counters))


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_of_many_jobs_is_not_compared_all_with_all(held: Database, name: str) -> None:
    with held.begin() as conn:
        if name in ENDED:
            end(conn, ENDED[name])
        if name == "leases/recover_stalled":
            conn.exec_driver_sql("update rowline.jobs set leased_until = processed_at")
        keys = conn.exec_driver_sql("select number, lease_token from rowline.jobs order by number").all()
        given: dict[str, object] = {
            "queue": "q",
            "numbers": array(key[0] for key in keys),
            "tokens": array(key[1] for key in keys),
        }
        for said, value in TOLD[name].items():
            given[said] = array([value] * AT_ONCE) if said in EACH else value
        plan = analyzed(conn, name, **given)
        assert plan["Actual Rows"] == AT_ONCE
        assert touched(plan) <= 25 * AT_ONCE, json.dumps(plan, indent=1)
        conn.rollback()
        conn.begin()


def test_a_retry_by_a_plan_and_its_undo_do_not_compare_all_with_all(held: Database) -> None:
    with held.begin() as conn:
        end(conn, "failed")
        numbers = conn.exec_driver_sql("select number from rowline.jobs order by number").scalars()
        given = {"queue": "q", "id": "00000000-0000-4000-8000-000000000000", "numbers": array(numbers)}
        for name, status in {"plans/retry_by_plan": "waiting", "plans/undo_retry": "failed"}.items():
            plan = analyzed(conn, name, **given)
            assert touched(plan) <= 25 * AT_ONCE, json.dumps(plan, indent=1)
            found = conn.exec_driver_sql("select status, count(*) from rowline.jobs group by status").all()
            assert [tuple(row) for row in found] == [(status, AT_ONCE)]
        conn.rollback()
        conn.begin()


def test_what_a_delta_tells_of_many_jobs_that_went_is_read_once_and_not_once_for_each(held: Database) -> None:
    with held.begin() as conn:
        conn.exec_driver_sql("delete from rowline.job_deltas")
        insert(conn, *[new(remove_on_complete=Keep(count=0)) for _ in range(AT_ONCE)], queue="gone")
        keys = [one.key for one in leases.claim(conn, queue="gone", limit=AT_ONCE, lease_ms=60_000, worker="w").taken]
        told = [Completion(lease=key, result=JsonText("1")) for key in keys]
        assert len(leases.complete(conn, queue="gone", completions=told)) == AT_ONCE
        shown = {
            "queue": "gone",
            "numbers": f"{{{keys[7].number}}}",
            "tokens": f"{{{keys[7].token}}}",
            "results": "{1}",
        }
        again = analyzed(conn, "leases/completed_before", **shown)
        fold = analyzed(conn, "counts/fold", limit=AT_ONCE, most=2 * AT_ONCE, publishes="f")
        assert conn.exec_driver_sql("select sum(octet_length(attempts)) from rowline.removed_packs").scalar_one() == (
            24 * AT_ONCE
        )
        conn.rollback()
        conn.begin()
    assert again["Actual Rows"] == 1
    for plan, most in ((again, 60), (fold, 400)):
        assert buffers(plan) <= most, json.dumps(plan, indent=1)
        assert plan["Temp Written Blocks"] == 0
