-- Returns how many of the newest :most completed and of the newest :most failed jobs of :queue ran and ended in the last
-- :within_s, by status, and how long the last attempt of one ran, in seconds on average.
-- Index: jobs_listed, :most probes for each status.
with ended as materialized (
    select each.status, one.processed_by, one.processed_at, one.finished_at
    from (values ('completed'), ('failed')) as each (status)
    cross join lateral (
        -- Of a status that is no constant: the planner must not take the index of all failed jobs.
        select processed_by, processed_at, finished_at
        from rowline.jobs
        where queue = :queue and status = each.status and status <> 'active'
        order by number desc
        limit :most
    ) as one
)
select
    status, count(*) as jobs,
    avg(greatest(0, extract(epoch from finished_at - processed_at)))::float8 as run_s
from ended
where processed_by is not null and finished_at > statement_timestamp() - :within_s * interval '1 second'
group by status
