-- cancel: waiting, prioritized, delayed -> failed
-- Ends a job that nobody works on.
update rowline.jobs as job
set status = 'failed',
    failed_reason = :cancelled,
    cancel_requested_at = statement_timestamp(),
    finished_at = statement_timestamp()
where job.queue = :queue and job.number = :number and job.status || '' in ('waiting', 'prioritized', 'delayed')
returning job.number
