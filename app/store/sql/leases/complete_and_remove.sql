-- complete_and_remove: active -> (nowhere)
-- Completes these attempts of jobs that are to be removed then, and removes the jobs with their attempts and logs; what
-- is not so, or a lost lease, is not in the result. For who repeats its word the delta tells tokens and numbers, and a row of
-- `removed_jobs` those of jobs with custom ids, by which they are asked for.
with changed as (
    delete from rowline.jobs as job
    :_attempts
        and job.leased_until > statement_timestamp() and job.remove_on_complete ->> 'count' = '0'
    returning
        job.number, job.custom_id, job.lease_token, job.attempts_started, job.processed_at, 'active' as was, null::text as status,
        :_terms
        as terms
),
:_untermed
,
noted as (
    insert into rowline.removed_jobs (queue, number, custom_id, lease_token)
    select :queue, number, custom_id, lease_token from changed where custom_id is not null
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
    :_counted
)
select number from changed
