-- Returns what explains the state of one job of :queue: by number if it has no custom id, or by custom id; with its last
-- attempt, if that did not complete it. Of the reason of a failure at most :reason_max characters. No row: no such job.
-- Indexes: jobs_pkey, jobs_custom_id, attempts_pkey, one probe each.
select
    statement_timestamp() as at, job.number, job.status, job.priority, job.place, job.run_at, job.added_at, job.delay_ms,
    job.attempts_made, job.attempts, job.start_by, job.attempts_started, job.leased_until, job.processed_at,
    job.processed_by, job.finished_at, job.cancel_requested_at, left(job.failed_reason, :reason_max::integer) as failed_reason,
    job.failed_code, last.outcome, last.ended_at, last.worker
from (
    select * from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
    union all
    select * from rowline.jobs
    where queue = :queue and custom_id = any(:custom_ids::text[])
) as job
left join lateral (
    select outcome, ended_at, worker from rowline.attempts
    where queue = :queue and number = job.number and nth = job.attempts_started
) as last on true
