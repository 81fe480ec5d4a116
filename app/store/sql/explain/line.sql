-- Counts the ready jobs of :queue with a priority up to :to_priority that are claimed after the place (:priority, :place),
-- up to :most of them from the last one on, and returns the place of the first one counted; and the place of the first job
-- that has a priority. For an estimate of how many jobs are before a place that is far from both ends.
-- Index: jobs_next, alone. Two ranges, as in `ahead`.
with walked as materialized (
    select priority, place
    from (
        (select priority, place from rowline.jobs
        where queue = :queue and '' || status in ('waiting', 'prioritized')
            and priority > :priority::integer and priority <= :to_priority::integer
        order by priority desc, place desc
        limit :most)
        union all
        (select priority, place from rowline.jobs
        where queue = :queue and '' || status in ('waiting', 'prioritized')
            and priority = :priority::integer and place > :place::bigint
        order by priority desc, place desc
        limit :most)
    ) as ranges
    limit :most
),
prioritized as (
    select priority, place
    from rowline.jobs
    where queue = :queue and '' || status in ('waiting', 'prioritized') and priority > 0
    order by priority, place
    limit 1
)
select
    counted.jobs, first.priority, first.place, prioritized.priority as first_priority, prioritized.place as first_place
from (select count(*) as jobs from walked) as counted
left join lateral (select priority, place from walked order by priority, place limit 1) as first on true
left join prioritized on true
