-- retry: completed, failed -> waiting, prioritized
-- Makes the jobs of :numbers that have ended ready again, in the order of their numbers as the latest comers of their kinds.
-- The caller has locked their rows. With :reset_attempts no attempts count as made. :attempts are how many they may make from
-- now on; null: as many as before. :effectives are the options that hold then instead of those sent. Both by :numbers.
-- attempts_started goes on, and processed_at stays with it; processed_by is null until the next claim. It may start at any time.
with clock as (
    select (extract(epoch from statement_timestamp()) * 1000000)::bigint as us
),
before as (
    select array_agg(number order by number) as numbers, array_agg(status order by number) as statuses
    from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('completed', 'failed')
),
changed as (
    update rowline.jobs as job
    set status = case when job.priority > 0 then 'prioritized' else 'waiting' end,
        run_at = statement_timestamp(),
        place = case when job.lifo then -1 else 1 end
            * ((select us from clock) + width_bucket(job.number, :numbers::bigint[]) - 1),
        attempts = coalesce((:attempts::integer[])[width_bucket(job.number, :numbers::bigint[])], job.attempts),
        attempts_made = case when :reset_attempts::boolean then 0 else job.attempts_made end,
        effective = (:effectives::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
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
    returning
        job.number,
        :_was
        ,
        job.status
),
counted as (
    :_counted
)
select number from changed
