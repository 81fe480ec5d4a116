-- claim: waiting, prioritized -> active
-- Leases up to :limit ready jobs of :queue to :worker for :lease_ms, best first. Index: jobs_ready.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/mark.py`).
-- Each row says how long that took. Without a job there is one row, that says this alone.
-- Takes all of them or, where their texts are over :most bytes together, none, and says so: `claim_long` is for that.
-- Locks the rows it takes and skips those that others are taking.
with next as (
    select
        number,
        octet_length(data::text) + octet_length(opts::text) + octet_length(progress::text)
        + 2 * coalesce(octet_length(result::text), 0) + coalesce(octet_length(failed_reason), 0)
        + case when cardinality(stacktrace) > 0 then octet_length(stacktrace::text) else 0 end
        as bytes
    from rowline.jobs
    where queue = :queue and status in ('waiting', 'prioritized')
        and (priority, place) >= (:from_priority::integer, :from_place::bigint)
    order by priority, place
    limit :limit
    for update skip locked
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select
        case when sum(bytes) <= :most::bigint then array_agg(number) end as numbers,
        coalesce(sum(bytes) > :most::bigint, false) as is_cut,
        clock_timestamp() as at
    from next
),
claimed as (
    update rowline.jobs as job
    set status = 'active',
        lease_token = gen_random_uuid(),
        leased_until = (select at from walked)
            + least(:lease_ms, job.timeout_ms + :grace_ms) * interval '1 millisecond',
        attempts_started = attempts_started + 1,
        processed_at = (select at from walked),
        processed_by = :worker
    where job.queue = :queue and job.number = any((select numbers from walked)::bigint[])
        and job.status || '' in ('waiting', 'prioritized')
    returning job.*
),
counted as (
    insert into rowline.job_deltas (queue, waiting, prioritized, active)
    select :queue, -count(*) filter (where priority = 0), -count(*) filter (where priority > 0), count(*)
    from claimed
    having count(*) > 0
)
select
    queue, number, custom_id, name, data, opts, status, priority, lifo, delay_ms, run_at, timeout_ms, attempts_made,
    attempts_started, stalled_count, progress, result, failed_reason, stacktrace, added_at, processed_at, finished_at,
    processed_by, lease_token, leased_until, place, extract(epoch from walked.at - statement_timestamp())::float8 as took_s,
    walked.is_cut
from walked
left join claimed on true
order by priority, place
