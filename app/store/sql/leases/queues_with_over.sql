-- Names the queues that have leases which are over, longest over first; says of each whether jobs of it have stalled, and
-- whether their timeouts are over: recover_stalled takes the ones, hold_overdue the others.
-- Index: jobs_active. Reads all active jobs: one process does it (`app/maintenance/rounds.py`).
select
    queue,
    bool_or(not coalesce(is_late, false)) as has_stalled,
    bool_or(coalesce(is_late, false)) as has_overdue
from (
    select
        queue, leased_until,
        processed_at + timeout_ms * interval '1 millisecond' <= statement_timestamp() as is_late
    from rowline.jobs
    where status = 'active' and leased_until <= statement_timestamp()
) as over
group by queue
order by min(leased_until)
