-- complete: active -> completed
-- Ends these attempts well and keeps their results; a lease that is lost is not in the answer.
with ended as (
    update rowline.jobs as job
    set status = 'completed',
        result = done.result::json,
        attempts_made = attempts_made + 1,
        finished_at = statement_timestamp(),
        leased_until = null
    from unnest(:numbers::bigint[], :tokens::uuid[], :results::text[]) as done (number, token, result)
    where job.queue = :queue and job.number = any(:numbers) and job.number = done.number
        and job.status || '' = 'active'
        and job.lease_token = done.token and job.leased_until > statement_timestamp()
    returning job.number
),
counted as (
    insert into rowline.job_deltas (queue, active, completed)
    select :queue, -count(*), count(*) from ended
    having count(*) > 0
)
select number from ended
