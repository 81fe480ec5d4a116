-- extend: active -> active
-- Extends these leases to :lease_ms from now, but not beyond a job's timeout; a lost lease is not in the result.
-- HOT: changes no index.
-- A locked row is in the result, but is extended by the next heartbeat only: one lock must not block all.
with mine as (
    select job.number, job.leased_until, job.cancel_requested_at, job.processed_by
    from rowline.jobs as job
    :_attempts
        and job.leased_until > statement_timestamp()
),
free as (
    select job.number
    from rowline.jobs as job
    where job.queue = :queue and job.number = any(array(select number from mine))
    for update skip locked
),
renewed as (
    update rowline.jobs as job
    set leased_until = least(
        statement_timestamp() + :lease_ms * interval '1 millisecond',
        (job.processed_at at time zone 'UTC' + (job.timeout_ms + :grace_ms) * interval '1 millisecond')
            at time zone 'UTC'
    )
    where job.queue = :queue and job.number = any(array(select number from free))
        and job.status || '' = 'active'
        and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
        and job.leased_until > statement_timestamp()
    returning job.number, job.leased_until, job.cancel_requested_at, job.processed_by
)
select number, leased_until as until, cancel_requested_at is not null as is_cancelled, processed_by as worker
from renewed
union all
select number, leased_until, cancel_requested_at is not null, processed_by
from mine
where number not in (select number from renewed)
