-- request_cancel: active -> active
-- Requests the cancel of an active job: the next heartbeat tells its worker, and the job is not retried. HOT.
with clock as (select statement_timestamp() as at)
update rowline.jobs as job
set cancel_requested_at = coalesce(job.cancel_requested_at, (select at from clock))
where job.queue = :queue and job.number = :number and job.status || '' = 'active'
returning job.number
