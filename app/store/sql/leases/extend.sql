-- extend: active -> active
-- Renews these leases to :lease_ms from now; a lease that is lost is not in the answer. HOT: touches no index.
-- A row that somebody else has locked is left for the next beat, and still in the answer: one row must not stop all.
with mine as (
    select job.number
    from rowline.jobs as job
    join unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token) on job.number = held.number
    where job.queue = :queue and job.number = any(:numbers) and job.status || '' = 'active'
        and job.lease_token = held.token and job.leased_until > statement_timestamp()
),
free as (
    select job.number
    from rowline.jobs as job
    where job.queue = :queue and job.number = any(array(select number from mine))
    for update skip locked
),
renewed as (
    update rowline.jobs as job
    set leased_until = statement_timestamp() + :lease_ms * interval '1 millisecond'
    from unnest(:numbers::bigint[], :tokens::uuid[]) as held (number, token)
    where job.queue = :queue and job.number = any(array(select number from free)) and job.number = held.number
        and job.status || '' = 'active' and job.lease_token = held.token
        and job.leased_until > statement_timestamp()
)
select number from mine
