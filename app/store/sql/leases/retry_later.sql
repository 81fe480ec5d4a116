-- retry_later: active -> delayed, waiting, prioritized
-- Fails these attempts; the jobs are ready again after their delays, as if they were added then, in the order of their
-- numbers. :are_over: as in fail.
with moved as (
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
        :_failure
),
:_settled
