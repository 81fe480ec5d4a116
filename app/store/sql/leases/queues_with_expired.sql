-- Returns the queues with leases that have run out, longest ago first, and for each whether it has stalled jobs, for
-- recover_stalled, and overdue ones, whose timeouts were exceeded, for lock_overdue.
-- Index: jobs_active. Reads all active jobs, therefore in one process only (`app/maintenance/rounds.py`).
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
