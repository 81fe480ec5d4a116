-- request_cancel: active -> active
-- Requests the cancel of the jobs of :numbers that are active: the next heartbeat tells their workers, and they are not
-- retried. HOT.
with clock as (select statement_timestamp() as at)
update rowline.jobs as job
set cancel_requested_at = coalesce(job.cancel_requested_at, (select at from clock))
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
returning job.number
