-- release: active -> waiting, prioritized, delayed, failed
-- Releases these jobs: no attempt and no stall is counted. Each is ready at its old place, or is delayed and gets a new
-- one, in the order of their numbers. A job with a requested cancel fails.
with changed as (
    update rowline.jobs as job
    set (status, delay_ms, run_at, place) = (
            select
                case
                    when job.cancel_requested_at is not null then 'failed'
                    when each.delay_ms > 0 then 'delayed'
                    when job.priority > 0 then 'prioritized'
                    else 'waiting'
                end,
                case when each.delay_ms > 0 then each.delay_ms else job.delay_ms end,
                case
                    when each.delay_ms > 0 then statement_timestamp() + each.delay_ms * interval '1 millisecond'
                    else job.run_at
                end,
                case
                    when each.delay_ms > 0 then case when job.lifo then -1 else 1 end * (
                        (extract(epoch from statement_timestamp()) * 1000000)::bigint + each.delay_ms * 1000
                        + rank.nth - 1
                    )
                    else job.place
                end
            from (select width_bucket(job.number, :numbers::bigint[]) as nth) as rank
            cross join lateral (select (:delays_ms::bigint[])[rank.nth] as delay_ms) as each
        ),
        failed_reason = case when job.cancel_requested_at is not null then :cancelled else job.failed_reason end,
        failed_code = case when job.cancel_requested_at is not null then 'cancelled' end,
        fingerprint = case when job.cancel_requested_at is not null then :fingerprint end,
        finished_at = case when job.cancel_requested_at is not null then statement_timestamp() end,
        leased_until = null
    :_attempts
        and job.leased_until > statement_timestamp()
    returning
        :_ended
        ,
        case when job.cancel_requested_at is not null then 'cancelled' else 'released' end as outcome,
        case when job.cancel_requested_at is not null then :cancelled end as reason
),
:_settled
