-- Returns the workers of :queue that were seen in the last :seen_s, by name, up to :limit, and in each row how many
-- there are. A worker over HTTP calls several nodes: its active jobs tell how busy it is, of which up to :most_active are
-- read; its slots are the most that it asked for in a claim, or as many as it holds. Of another way the last row tells.
-- Indexes: queue_workers_pkey, jobs_active.
with seen as materialized (
    select
        worker, way, max(seen_at) as seen_at, count(*) over () as workers,
        case way when 'pull' then max(slots) else (array_agg(slots order by seen_at desc))[1] end as slots,
        (array_agg(busy order by seen_at desc))[1] as busy
    from rowline.queue_workers
    where queue = :queue and seen_at > statement_timestamp() - :seen_s * interval '1 second'
    group by worker, way
),
active as (
    select processed_by from rowline.jobs
    where queue = :queue and status = 'active' and exists (select from seen where way = 'pull')
    limit :most_active
),
held as (
    select processed_by as worker, 'pull' as way, count(*)::integer as jobs from active group by processed_by
)
select
    seen.worker, seen.way, greatest(seen.slots, held.jobs) as slots, coalesce(held.jobs, seen.busy) as busy,
    seen.seen_at, seen.workers
from seen
left join held on held.worker = seen.worker and held.way = seen.way
order by seen.worker, seen.way
limit :limit
