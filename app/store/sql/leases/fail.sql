-- fail: active -> failed
-- Ends these attempts badly, and the jobs with them; a lease that is lost is not in the answer. :are_over: time says so,
-- after the lease; the caller has then locked the row and read the token.
with moved as (
    update rowline.jobs as job
    set status = 'failed',
        finished_at = statement_timestamp(),
        \ir ../_fragments/failure.sql
    \ir ../_fragments/attempts.sql
        and (job.leased_until > statement_timestamp() or :are_over)
    returning
        \ir ../_fragments/ended.sql
        ,
        \ir ../_fragments/failed_because.sql
),
kept as (
    \ir ../_fragments/kept.sql
),
counted as (
    \ir ../_fragments/counted.sql
)
select number, status from moved
