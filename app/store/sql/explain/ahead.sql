-- Counts the ready jobs of :queue that are claimed before the place (:priority, :place), up to :most, and returns the
-- place of the last one counted. Index: jobs_next, alone.
-- Two ranges: before PostgreSQL 18 a comparison of rows ends no walk within one priority.
with walked as materialized (
    select priority, place
    from (
        (select priority, place from rowline.jobs
        where queue = :queue and '' || status in ('waiting', 'prioritized') and priority < :priority::integer
        order by priority, place
        limit :most)
        union all
        (select priority, place from rowline.jobs
        where queue = :queue and '' || status in ('waiting', 'prioritized')
            and priority = :priority::integer and place < :place::bigint
        order by priority, place
        limit :most)
    ) as ranges
    limit :most
)
select counted.jobs, last.priority, last.place
from (select count(*) as jobs from walked) as counted
left join lateral (select priority, place from walked order by priority desc, place desc limit 1) as last on true
