-- complete: active -> completed
-- Ends these attempts well and keeps their results; a lease that is lost is not in the answer.
with moved as (
    update rowline.jobs as job
    set status = 'completed',
        result = (:results::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
        attempts_made = attempts_made + 1,
        finished_at = statement_timestamp(),
        leased_until = null
    \ir ../_fragments/attempts.sql
        and job.leased_until > statement_timestamp()
    returning job.number, 'active' as was, job.status
),
counted as (
    \ir ../_fragments/counted.sql
)
select number from moved
