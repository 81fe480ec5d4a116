-- What each retry changes in the jobs of :numbers, which of them these are, and what the statement returns of them.
status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
run_at = statement_timestamp(),
place = case when job.lifo then -1 else 1 end
    * ((select us from clock) + width_bucket(job.number, :numbers::bigint[]) - 1),
stalled_count = 0,
result = null,
failed_reason = null,
failed_code = null,
fingerprint = null,
finished_at = null,
cancel_requested_at = null,
processed_by = null,
start_by = null
where job.queue = :queue and job.number = any(:numbers::bigint[])
    and job.status || '' in ('completed', 'failed')
:_moved
