-- fail: active -> failed
-- Ends these attempts badly, and the jobs with them; a lease that is lost is not in the answer. :are_over: time says so,
-- after the lease; the caller has then locked the row and read the token.
with ended as (
    update rowline.jobs as job
    set status = 'failed',
        attempts_made = attempts_made + 1,
        failed_reason = failure.reason,
        stacktrace = (array_remove(stacktrace || failure.stack, null))
            [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
        finished_at = statement_timestamp(),
        leased_until = null
    from unnest(:numbers::bigint[], :tokens::uuid[], :reasons::text[], :stacks::text[], :are_timeouts::boolean[])
        as failure (number, token, reason, stack, is_timeout)
    where job.queue = :queue and job.number = any(:numbers) and job.number = failure.number
        and job.status || '' = 'active'
        and job.lease_token = failure.token and (job.leased_until > statement_timestamp() or :are_over)
    returning
        job.queue, job.number, job.status, job.attempts_started, job.processed_by, job.processed_at,
        case when job.cancel_requested_at is not null then 'cancelled' when failure.is_timeout then 'timed-out' else 'failed' end
            as outcome,
        failure.reason
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
