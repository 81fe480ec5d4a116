-- Of the next :limit active jobs after (:after_queue, :after_number), by queue and number: how many these are, the last
-- one, to go on after, and the queues with leases that have run out, one a row, since when, and for each whether it has
-- stalled jobs, for recover_stalled, and overdue ones, whose timeouts were exceeded, for lock_overdue. If none has run
-- out, one row says only how many and the last; no row if there is no active job.
-- Index: jobs_active. In one process only (`app/maintenance/rounds.py`), because in steps it reads all active jobs.
with part as materialized (
    select
        queue, number, leased_until,
        coalesce(processed_at + timeout_ms * interval '1 millisecond' <= statement_timestamp(), false) as is_late
    from rowline.jobs
    where status = 'active' and (queue, number) > (:after_queue::text, :after_number::bigint)
    order by queue, number
    limit :limit
),
over as (
    select
        queue, bool_or(not is_late) as has_stalled, bool_or(is_late) as has_overdue,
        extract(epoch from min(leased_until))::float8 as since
    from part
    where leased_until <= statement_timestamp()
    group by queue
)
select
    (select count(*) from part) as found, last.queue as last_queue, last.number as last_number,
    over.queue, over.has_stalled, over.has_overdue, over.since
from (select queue, number from part order by queue desc, number desc limit 1) as last
left join over on true
