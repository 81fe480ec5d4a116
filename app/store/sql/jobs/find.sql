-- Reads whole jobs of :queue: by number those without a custom id, and by custom id. Indexes: jobs_pkey, jobs_custom_id.
select
    queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
    attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
    processed_by
from rowline.jobs
where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
union all
select
    queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
    attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
    processed_by
from rowline.jobs
where queue = :queue and custom_id = any(:custom_ids::text[])
