-- fail: active -> failed
-- Ends these attempts badly, and the jobs with them; a lease that is lost is not in the answer. :are_over: time says so,
-- after the lease; the caller has then locked the row and read the token. The numbers: as in complete.
with ended as (
    update rowline.jobs as job
    set status = 'failed',
        attempts_made = attempts_made + 1,
        failed_reason = (:reasons::text[])[width_bucket(job.number, :numbers::bigint[])],
        stacktrace = (array_remove(stacktrace || (:stacks::text[])[width_bucket(job.number, :numbers::bigint[])], null))
            [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
        finished_at = statement_timestamp(),
        leased_until = null
    where job.queue = :queue and job.number = any(:numbers::bigint[])
        and job.status || '' = 'active'
        and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
        and (job.leased_until > statement_timestamp() or :are_over)
    returning
        job.queue, job.number, job.status, job.attempts_started, job.processed_by, job.processed_at,
        case
            when job.cancel_requested_at is not null then 'cancelled'
            when (:are_timeouts::boolean[])[width_bucket(job.number, :numbers::bigint[])] then 'timed-out'
            else 'failed'
        end as outcome,
        job.failed_reason as reason
),
kept as (
    insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome, reason)
    select queue, number, attempts_started, processed_by, processed_at, statement_timestamp(), outcome, reason
    from ended
),
counted as (
    insert into rowline.job_deltas (queue, active, failed)
    select :queue, -count(*), count(*) from ended
    having count(*) > 0
)
select number, status from ended
