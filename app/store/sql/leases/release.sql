-- release: active -> waiting, prioritized, delayed, failed
-- Hands these jobs back unharmed: no attempt and no stall is counted. Each keeps its old place in line, or waits
-- and joins it anew. One that is to be cancelled has so come to its end.
with ended as (
    update rowline.jobs as job
    set status = case
            when job.cancel_requested_at is not null then 'failed'
            when held.delay_ms > 0 then 'delayed'
            when job.priority > 0 then 'prioritized'
            else 'waiting'
        end,
        failed_reason = case when job.cancel_requested_at is not null then :cancelled else job.failed_reason end,
        finished_at = case when job.cancel_requested_at is not null then statement_timestamp() end,
        delay_ms = case when held.delay_ms > 0 then held.delay_ms else job.delay_ms end,
        run_at = case
            when held.delay_ms > 0 then statement_timestamp() + held.delay_ms * interval '1 millisecond'
            else job.run_at
        end,
        place = case
            when held.delay_ms > 0 then case when job.lifo then -1 else 1 end * (
                (extract(epoch from statement_timestamp()) * 1000000)::bigint + held.delay_ms * 1000 + held.nth - 1
            )
            else job.place
        end,
        leased_until = null
    from unnest(:numbers::bigint[], :tokens::uuid[], :delays_ms::bigint[]) with ordinality
        as held (number, token, delay_ms, nth)
    where job.queue = :queue and job.number = any(:numbers) and job.number = held.number
        and job.status || '' = 'active'
        and job.lease_token = held.token and job.leased_until > statement_timestamp()
    returning
        job.queue, job.number, job.status, job.attempts_started, job.processed_by, job.processed_at,
        case when job.cancel_requested_at is not null then 'cancelled' else 'released' end as outcome,
        case when job.cancel_requested_at is not null then :cancelled end as reason
),
kept as (
    insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome, reason)
    select queue, number, attempts_started, processed_by, processed_at, statement_timestamp(), outcome, reason
    from ended
),
counted as (
    insert into rowline.job_deltas (queue, active, waiting, prioritized, delayed, failed)
    select
        :queue,
        -count(*),
        count(*) filter (where status = 'waiting'),
        count(*) filter (where status = 'prioritized'),
        count(*) filter (where status = 'delayed'),
        count(*) filter (where status = 'failed')
    from ended
    having count(*) > 0
)
select number, status from ended
