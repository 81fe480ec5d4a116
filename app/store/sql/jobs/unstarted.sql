-- Returns, of the first :limit jobs of all queues that should have started by now, and have not, after
-- (:after, :after_number), in the order of their times, the first :most of each queue; in each row how many they all are,
-- and the last one, to go on after. Index: jobs_unstarted.
with late as materialized (
    select queue, number, start_by
    from rowline.jobs
    where start_by <= floor(extract(epoch from statement_timestamp()) * 1000)::bigint
        and '' || status in ('waiting', 'prioritized', 'delayed') and attempts_started = 0
        and (start_by, number) > (:after::bigint, :after_number::bigint)
    order by start_by, number
    limit :limit
),
last as (
    select start_by, number from late
    order by start_by desc, number desc
    limit 1
)
select
    ranked.queue, array_agg(ranked.number) as numbers, (select count(*) from late) as found,
    (select start_by from last) as last_start_by, (select number from last) as last_number
from (
    select queue, number, row_number() over (partition by queue order by start_by, number) as nth from late
) as ranked
where ranked.nth <= :most
group by ranked.queue
order by ranked.queue
