-- sweep: completed, failed -> (nowhere)
-- Removes those of the jobs :numbers of :queue that have ended, with their attempts and logs; returns how many. A row of
-- `removed_jobs` stays of each that was ever claimed, for who repeats its word: with the outcome of its last attempt; null:
-- it completed. Waits for row locks. Indexes: jobs_pkey, attempts_pkey, logs_pkey.
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' in ('completed', 'failed')
    returning
        job.number, job.custom_id, job.lease_token, job.attempts_started, job.status as was, null::text as status,
        :_terms
        as terms
),
:_untermed
,
noted as (
    insert into rowline.removed_jobs (queue, number, custom_id, lease_token, outcome)
    select
        :queue, changed.number, changed.custom_id, changed.lease_token,
        (
            select attempt.outcome from rowline.attempts as attempt
            where attempt.queue = :queue and attempt.number = changed.number and attempt.nth = changed.attempts_started
        )
    from changed
    where changed.lease_token is not null
),
:_traces
,
counted as (
    :_counted
)
select count(*) as removed from changed
