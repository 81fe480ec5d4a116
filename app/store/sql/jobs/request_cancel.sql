-- request_cancel: active -> active
-- Requests the cancel of an active job: the next heartbeat tells its worker, and the job is not retried. HOT.
update rowline.jobs as job
set cancel_requested_at = coalesce(job.cancel_requested_at, statement_timestamp())
where job.queue = :queue and job.number = :number and job.status || '' = 'active'
returning job.number
