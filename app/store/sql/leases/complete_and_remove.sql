-- complete_and_remove: active -> (nowhere)
-- Completes these attempts of jobs that are to be removed then, and removes the jobs with their attempts and logs; what
-- is not so, or a lost lease, is not in the result. A row of `removed_jobs` stays of each, for who repeats its word.
with changed as (
    delete from rowline.jobs as job
    :_attempts
        and job.leased_until > statement_timestamp() and job.remove_on_complete ->> 'count' = '0'
    returning job.number, job.lease_token, job.attempts_started
),
noted as (
    insert into rowline.removed_jobs (queue, number, lease_token)
    select :queue, number, lease_token from changed
),
attempts as (
    delete from rowline.attempts as attempt
    where attempt.queue = :queue
        and attempt.number = any(array(select number from changed where attempts_started > 1))
),
logs as (
    delete from rowline.logs as line
    where line.queue = :queue and line.number = any(array(select number from changed))
),
counted as (
    -- Two rows for both events, by whose signs the fold tells what happened (`_fragments/summed.sql`).
    insert into rowline.job_deltas (queue, active, completed)
    select :queue, event.active * count(*), event.completed * count(*)
    from changed
    cross join (values (-1, 1), (0, -1)) as event (active, completed)
    group by event.active, event.completed
)
select number from changed
