"""Jobs in every status, put into a schema of any revision, and what must be left of them after migrations."""

from datetime import timedelta
from typing import Any

import psycopg

from app.domain.states import Status
from app.postgres import libpq

KEPT = (
    "queue, number, custom_id, name, status, priority, lifo, place, run_at, added_at, delay_ms, attempts, "
    "attempts_made, attempts_started, stalled_count, backoff_type, leased_until, processed_at, processed_by, "
    "finished_at, failed_reason, stacktrace, data::text, opts::text, progress::text, result::text"
)
"""All that revision 0001 knows, but the tokens of leases that are over: going down drops them."""
INSERT = """
insert into rowline.jobs (
    queue, number, custom_id, name, status, priority, lifo, place, run_at, added_at, delay_ms, attempts,
    attempts_made, attempts_started, lease_token, leased_until, processed_at, processed_by, finished_at,
    failed_reason, data, opts, result
) values (
    %(queue)s, nextval('rowline.job_numbers'), %(status)s, 'n', %(status)s, %(priority)s, false,
    currval('rowline.job_numbers'), now() + %(delay)s, now() - interval '1 hour', 0, 3, %(is_final)s::int,
    %(has_begun)s::int,
    case when %(is_active)s then gen_random_uuid() end, case when %(is_active)s then now() + interval '1 hour' end,
    case when %(has_begun)s then now() end, case when %(has_begun)s then 'w' end,
    case when %(is_final)s then now() end, case when %(status)s = 'failed' then 'broke' end,
    '{"n": 1.10}', '{}', case when %(status)s = 'completed' then '"done"'::json end
)
"""


def put(url: str, *, queue: str) -> None:
    """Store a job in each status."""
    with psycopg.connect(libpq.normal(url)) as connection:
        for status in Status:
            facts = {
                "queue": queue,
                "status": status,
                "delay": timedelta(hours=int(status is Status.DELAYED)),
                "priority": int(status is Status.PRIORITIZED),
                "is_active": status is Status.ACTIVE,
                "is_final": status in {Status.COMPLETED, Status.FAILED},
                "has_begun": status in {Status.ACTIVE, Status.COMPLETED, Status.FAILED},
            }
            connection.execute(INSERT, facts)


def kept(url: str) -> list[tuple[Any, ...]]:
    """Read what must not change."""
    with psycopg.connect(libpq.normal(url)) as connection:
        return connection.execute(f"select {KEPT} from rowline.jobs order by number").fetchall()
