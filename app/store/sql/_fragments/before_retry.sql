-- What `retried` reads: when the statement began, and which statuses the jobs of :numbers had that have ended.
clock as (
    select (extract(epoch from statement_timestamp()) * 1000000)::bigint as us
),
before as (
    select array_agg(number order by number) as numbers, array_agg(status order by number) as statuses
    from rowline.jobs
    where queue = :queue and number = any(:numbers::bigint[]) and status || '' in ('completed', 'failed')
)
