-- retry_later: active -> delayed, waiting, prioritized
-- Fails these attempts; the jobs are ready again after their delays, as if they were added then, in the order of their
-- numbers. :are_over: as in fail.
with clock as (
    select statement_timestamp() at time zone 'UTC' as utc
),
moved as (
    update rowline.jobs as job
    set (status, delay_ms, run_at, place) = (
            select
                case when asked.delay_ms > 0 then 'delayed' when job.priority > 0 then 'prioritized' else 'waiting' end,
                asked.delay_ms,
                (clock.utc + asked.delay_ms * interval '1 millisecond') at time zone 'UTC',
                case when job.lifo then -1 else 1 end * (
                    (extract(epoch from clock.utc) * 1000000)::bigint + asked.delay_ms * 1000 + ranked.nth - 1
                )
            from clock
            cross join lateral (select width_bucket(job.number, :numbers::bigint[]) as nth) as ranked
            cross join lateral (select (:delays_ms::bigint[])[ranked.nth] as delay_ms) as asked
        ),
        :_failure
),
:_settled
