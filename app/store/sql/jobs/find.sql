-- Reads whole jobs of :queue: by number those without a custom id, and by custom id. Indexes: jobs_pkey, jobs_custom_id.
-- Of a job whose texts are over :most bytes it reads none of them, and how many bytes they are.
with found as (
    select * from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and custom_id is null
    union all
    select * from rowline.jobs
    where queue = :queue and custom_id = any(:custom_ids::text[])
),
sized as (
    select
        *,
        octet_length(data::text) + octet_length(opts::text) + octet_length(progress::text)
        + 2 * coalesce(octet_length(result::text), 0) + coalesce(octet_length(failed_reason), 0)
        + case when cardinality(stacktrace) > 0 then octet_length(stacktrace::text) else 0 end
        as bytes
    from found
    offset 0
)
select
    queue, number, custom_id, name,
    case when bytes <= :most::bigint then data end as data,
    case when bytes <= :most::bigint then opts end as opts,
    status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made, attempts_started, stalled_count,
    case when bytes <= :most::bigint then progress end as progress,
    case when bytes <= :most::bigint then result end as result,
    case when bytes <= :most::bigint then failed_reason end as failed_reason,
    case when bytes <= :most::bigint then stacktrace end as stacktrace,
    added_at, processed_at, finished_at, processed_by, bytes
from sized
