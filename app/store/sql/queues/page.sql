-- Returns the queues whose names match :pattern and one of :allowed, by name, :length of them from :start on, with their
-- counts; and in each row how many match. Queues without jobs are there if they set something.
-- Without a queue, one row says how many match. Reads the counts of all queues. Index: job_deltas_added_by.
with last as (
    :_last_fold
),
parts as (
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false as has_settings
    from rowline.job_counts
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false
    from rowline.job_deltas
    where added_by >= (select folded_below from last)
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false
    from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    union all
    select queue, 0, 0, 0, 0, 0, 0, 0, true
    from rowline.queue_settings
),
named as (
    select
        queue,
        sum(waiting)::bigint as waiting, sum(prioritized)::bigint as prioritized, sum(delayed)::bigint as delayed,
        sum(active)::bigint as active, sum(waiting_children)::bigint as waiting_children,
        sum(completed)::bigint as completed, sum(failed)::bigint as failed
    from parts
    where queue like :pattern and queue like any(:allowed::text[])
    group by queue
    having bool_or(has_settings)
        or sum(waiting + prioritized + delayed + active + waiting_children + completed + failed) > 0
),
page as (
    select * from named
    order by queue
    limit :length offset :start
)
select
    total.matching, page.queue, page.waiting, page.prioritized, page.delayed, page.active, page.waiting_children,
    page.completed, page.failed
from (select count(*) as matching from named) as total
left join page on true
order by page.queue
