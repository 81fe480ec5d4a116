-- retry_later: active -> delayed, waiting, prioritized
-- Fails these attempts; the jobs are ready again after their delays, as if they were added then, in the order of their
-- numbers. :include_expired: as in fail.
with changed as (
    update rowline.jobs as job
    set (status, delay_ms, run_at, place) = (
            select
                case when each.delay_ms > 0 then 'delayed' when job.priority > 0 then 'prioritized' else 'waiting' end,
                each.delay_ms,
                statement_timestamp() + each.delay_ms * interval '1 millisecond',
                case when job.lifo then -1 else 1 end * (
                    (extract(epoch from statement_timestamp()) * 1000000)::bigint + each.delay_ms * 1000 + rank.nth - 1
                )
            from (select width_bucket(job.number, :numbers::bigint[]) as nth) as rank
            cross join lateral (select (:delays_ms::bigint[])[rank.nth] as delay_ms) as each
        ),
        :_failure
),
:_settled
