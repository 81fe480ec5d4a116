-- retry_later: active -> delayed, waiting, prioritized
-- Ends these attempts badly; the jobs join the line again after their wait, as the latest comers of their kind then, in
-- the order of their numbers. :are_over: as in fail. The numbers: as in complete.
with ended as (
    update rowline.jobs as job
    set (status, delay_ms, run_at, place) = (
            select
                case when said.delay_ms > 0 then 'delayed' when job.priority > 0 then 'prioritized' else 'waiting' end,
                said.delay_ms,
                statement_timestamp() + said.delay_ms * interval '1 millisecond',
                case when job.lifo then -1 else 1 end * (
                    (extract(epoch from statement_timestamp()) * 1000000)::bigint + said.delay_ms * 1000 + told.nth - 1
                )
            from (select width_bucket(job.number, :numbers::bigint[]) as nth) as told
            cross join lateral (select (:delays_ms::bigint[])[told.nth] as delay_ms) as said
        ),
        attempts_made = attempts_made + 1,
        failed_reason = (:reasons::text[])[width_bucket(job.number, :numbers::bigint[])],
        stacktrace = (array_remove(stacktrace || (:stacks::text[])[width_bucket(job.number, :numbers::bigint[])], null))
            [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
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
