-- claim: waiting, prioritized -> active
-- Does what `claim` does where jobs are long: takes no more, but for the first, when the texts of those that it has are
-- :most bytes, and says whether that ended it. Index: jobs_ready.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/mark.py`).
-- Each row says how long that took. Without a job there is one row, that says this alone.
-- Locks the rows it takes, a few more where bytes ended it, and skips those that others are taking.
with next as (
    -- What counts the rows over the bound lets PostgreSQL stop there: the rows behind are not even locked. The windows
    -- take them as they come, in order: told to sort by it, it would have to see, and to lock, all of them before.
    select number, over from (
        select number, count(*) filter (where total > :most and total > bytes) over line as over from (
            select number, bytes, sum(bytes) over line as total from (
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
            ) as locked
            window line as (rows unbounded preceding)
        ) as summed
        window line as (rows unbounded preceding)
    ) as counted
    where over < 2
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select
        array_agg(number) filter (where over = 0) as numbers,
        count(*) filter (where over > 0) > 0 as is_cut,
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
