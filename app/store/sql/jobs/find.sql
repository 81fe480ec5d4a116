-- Reads whole jobs of :queue: by number those without a custom id, and by custom id. Indexes: jobs_pkey, jobs_custom_id.
-- Not those whose texts are over :most bytes: who misses one asks how long it is.
select
    queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
    attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
    processed_by
from rowline.jobs
where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
    and octet_length(data::text) + octet_length(opts::text) + octet_length(progress::text)
    + 2 * coalesce(octet_length(result::text), 0) + coalesce(octet_length(failed_reason), 0)
    + case when cardinality(stacktrace) > 0 then octet_length(stacktrace::text) else 0 end
    <= :most::bigint
union all
select
    queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
    attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
    processed_by
from rowline.jobs
where queue = :queue and custom_id = any(:custom_ids::text[])
    and octet_length(data::text) + octet_length(opts::text) + octet_length(progress::text)
    + 2 * coalesce(octet_length(result::text), 0) + coalesce(octet_length(failed_reason), 0)
    + case when cardinality(stacktrace) > 0 then octet_length(stacktrace::text) else 0 end
    <= :most::bigint
