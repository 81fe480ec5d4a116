-- complete: active -> completed
-- Ends these attempts well and keeps their results; a lease that is lost is not in the answer.
-- The numbers are different and ascending: what is said of a job is found by bisection, since a join with what is said
-- compared all with all.
with ended as (
    update rowline.jobs as job
    set status = 'completed',
        result = (:results::text[])[width_bucket(job.number, :numbers::bigint[])]::json,
        attempts_made = attempts_made + 1,
        finished_at = statement_timestamp(),
        leased_until = null
    where job.queue = :queue and job.number = any(:numbers::bigint[])
        and job.status || '' = 'active'
        and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
        and job.leased_until > statement_timestamp()
    returning job.number
),
counted as (
    insert into rowline.job_deltas (queue, active, completed)
    select :queue, -count(*), count(*) from ended
    having count(*) > 0
)
select number from ended
