-- fail_unstarted: waiting, prioritized, delayed -> failed
-- Fails those of :numbers that should have started by now, and have not: of a claim at the same moment and this, one wins.
-- Skips locked rows; another round finds them.
with idle as (
    select number, status from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[])
        and status || '' in ('waiting', 'prioritized', 'delayed') and attempts_started = 0
        and start_by <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
    for update skip locked
),
:_failed_idle
    where job.queue = :queue and job.number = any((select numbers from before)::bigint[])
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
    :_moved
    , job.failed_reason as reason,
        :_goes
),
counted as (
    :_counted
)
select number, goes from changed
