-- cancel: waiting, prioritized, delayed -> failed
-- Fails a job that is not active.
with idle as (
    select number, status from rowline.jobs
    where queue = :queue and number = :number and status || '' in ('waiting', 'prioritized', 'delayed')
    for update
),
changed as (
    update rowline.jobs as job
    set status = 'failed',
        failed_reason = :cancelled,
        failed_code = 'cancelled',
        cancel_requested_at = statement_timestamp(),
        finished_at = statement_timestamp()
    from idle
    where job.queue = :queue and job.number = :number and job.number = idle.number
        and job.status || '' in ('waiting', 'prioritized', 'delayed')
    returning job.number, idle.status as was, job.status
),
counted as (
    :_counted
)
select number from changed
