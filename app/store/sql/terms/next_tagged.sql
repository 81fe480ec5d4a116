-- Looks at the next :limit jobs of all queues after the number :after, up to :until: how many these were, the number of the
-- last, and, by queue, which of them have tags. Index: jobs_pkey.
with seen as materialized (
    select job.queue, job.number, job.tags is not null as is_tagged
    from rowline.jobs as job
    where job.number > :after and job.number <= :until
    order by job.number
    limit :limit
)
select
    seen.queue,
    count(*) as looked_at,
    max(seen.number) as last,
    coalesce(array_agg(seen.number order by seen.number) filter (where seen.is_tagged), '{}') as numbers
from seen
group by seen.queue
