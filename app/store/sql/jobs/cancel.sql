-- cancel: waiting, prioritized, delayed -> failed
-- Fails the jobs of :numbers that are not active.
with idle as (
    select number, status from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('waiting', 'prioritized', 'delayed')
    order by number
    for update
),
:_failed_idle
        , cancel_requested_at = statement_timestamp()
    where job.queue = :queue and job.number = any((select numbers from before)::bigint[])
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
    :_moved
),
counted as (
    :_counted
)
select number from changed
