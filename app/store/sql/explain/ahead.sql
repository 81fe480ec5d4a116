-- Counts the ready jobs of :queue that are claimed before the place (:priority, :place), up to :most, and returns the
-- place of the last one counted. Index: jobs_ready, alone.
with walked as materialized (
    select priority, place
    from rowline.jobs
    where queue = :queue and status in ('waiting', 'prioritized')
        and (priority, place) < (:priority::integer, :place::bigint)
    order by priority, place
    limit :most
)
select counted.jobs, last.priority, last.place
from (select count(*) as jobs from walked) as counted
left join lateral (select priority, place from walked order by priority desc, place desc limit 1) as last on true
