-- retry: completed, failed -> waiting, prioritized
-- Makes the jobs of :numbers that have ended ready again, in the order of their numbers as the latest comers of their kinds.
-- The caller has locked their rows. With :reset_attempts no attempts count as made. :attempts are how many they may make from
-- now on; null: as many as before. :effectives are the options that hold then instead of those sent. Both by :numbers.
-- attempts_started goes on, and processed_at stays with it; processed_by is null until the next claim. It may start at any time.
with
:_before_retry
,
changed as (
    update rowline.jobs as job
    set attempts = coalesce((:attempts::integer[])[width_bucket(job.number, :numbers::bigint[])], job.attempts),
        attempts_made = case when :reset_attempts::boolean then 0 else job.attempts_made end,
        effective = (:effectives::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
        :_retried
),
counted as (
    :_counted
)
select number from changed
