-- complete: active -> completed
-- Completes these attempts and stores their results; a lost lease is not in the result.
with changed as (
    update rowline.jobs as job
    set status = 'completed',
        result = (:results::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
        attempts_made = attempts_made + 1,
        finished_at = statement_timestamp(),
        leased_until = null
    :_attempts
        and job.leased_until > statement_timestamp()
    returning job.number, 'active' as was, job.status, job.attempts_started, job.processed_at
),
counted as (
    :_counted
)
select number from changed
