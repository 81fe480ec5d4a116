-- recover_stalled: active -> waiting, prioritized, failed
-- Recovers jobs of :queue whose leases ran out: to the front of their priority, or, after too many stalls, to failed.
-- Jobs recovered together keep their order. A job with a requested cancel fails. A job that exceeded its timeout is
-- left to lock_overdue: that is a failure, not a stall.
-- Index: jobs_active. Skips locked rows, so that many processes can run it at once.
-- Bisection finds the rank of a job, as in `_fragments/attempts.sql`.
with stalled as (
    select number, place from rowline.jobs
    where queue = :queue and status = 'active' and leased_until <= statement_timestamp()
        and (timeout_ms is null or processed_at + timeout_ms * interval '1 millisecond' > statement_timestamp())
    order by number
    limit :limit
    for update skip locked
),
ranked as (
    select
        array_agg(number order by number) as numbers, array_agg(nth order by number) as nths,
        statement_timestamp() as at
    from (select number, row_number() over (order by place desc) as nth from stalled) as placed
),
changed as (
    update rowline.jobs as job
    set status = case
            when job.stalled_count >= :max_stalled_count or job.cancel_requested_at is not null then 'failed'
            when job.priority > 0 then 'prioritized'
            else 'waiting'
        end,
        stalled_count = job.stalled_count + 1,
        place = -(
            (extract(epoch from statement_timestamp()) * 1000000)::bigint - 1
            + (select nths from ranked)[width_bucket(job.number, (select numbers from ranked))]
        ),
        failed_reason = case
            when job.cancel_requested_at is not null then :cancelled
            when job.stalled_count >= :max_stalled_count then :reason
            else job.failed_reason
        end,
        failed_code = case
            when job.cancel_requested_at is not null then 'cancelled'
            when job.stalled_count >= :max_stalled_count then 'stalled'
        end,
        fingerprint = case
            when job.cancel_requested_at is not null then :cancelled_fingerprint
            when job.stalled_count >= :max_stalled_count then :fingerprint
        end,
        finished_at = case
            when job.stalled_count >= :max_stalled_count or job.cancel_requested_at is not null
            then (select at from ranked)
        end,
        leased_until = null
    where job.queue = :queue and job.number = any((select numbers from ranked)::bigint[])
        and job.status || '' = 'active'
    returning
        :_ended
        ,
        case when job.cancel_requested_at is not null then 'cancelled' else 'stalled' end as outcome,
        case when job.cancel_requested_at is not null then :cancelled when job.status = 'failed' then :reason end
            as reason
),
:_settled
