-- retry_later: active -> delayed, waiting, prioritized
-- Ends these attempts badly; the jobs join the line again after their wait, as the latest comers of their kind then.
-- :are_over: as in fail.
with ended as (
    update rowline.jobs as job
    set status = case
            when failure.delay_ms > 0 then 'delayed'
            when job.priority > 0 then 'prioritized'
            else 'waiting'
        end,
        attempts_made = attempts_made + 1,
        failed_reason = failure.reason,
        stacktrace = (array_remove(stacktrace || failure.stack, null))
            [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
        delay_ms = failure.delay_ms,
        run_at = statement_timestamp() + failure.delay_ms * interval '1 millisecond',
        place = case when job.lifo then -1 else 1 end * (
            (extract(epoch from statement_timestamp()) * 1000000)::bigint + failure.delay_ms * 1000 + failure.nth - 1
        ),
        leased_until = null
    from unnest(
        :numbers::bigint[], :tokens::uuid[], :reasons::text[], :stacks::text[], :are_timeouts::boolean[],
        :delays_ms::bigint[]
    ) with ordinality as failure (number, token, reason, stack, is_timeout, delay_ms, nth)
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
    insert into rowline.job_deltas (queue, active, delayed, waiting, prioritized)
    select
        :queue,
        -count(*),
        count(*) filter (where status = 'delayed'),
        count(*) filter (where status = 'waiting'),
        count(*) filter (where status = 'prioritized')
    from ended
    having count(*) > 0
)
select number, status from ended
