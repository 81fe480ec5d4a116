-- request_cancel: active -> active
-- Asks for a job's end: its worker is told at its next heartbeat, and no attempt follows this one. HOT.
update rowline.jobs as job
set cancel_requested_at = coalesce(job.cancel_requested_at, statement_timestamp())
where job.queue = :queue and job.number = :number and job.status || '' = 'active'
returning job.number
