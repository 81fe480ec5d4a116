-- Returns the queues whose names match :pattern and one of :allowed, :length of them from :start on, with their counts;
-- and in each row how many match. By name, only those with names after :after; :by_attention: first those that are paused
-- though jobs are ready, then by how many jobs failed, then by how many are ready. Queues without jobs are there if they
-- set something.
-- Without a queue, one row says how many match. Reads the counts of all queues. Index: job_deltas_added_by.
with last as (
    :_last_fold
),
parts as (
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false as has_settings,
        false as is_paused
    from rowline.job_counts
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false,
        false
    from rowline.job_deltas
    where added_by >= (select folded_below from last)
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, false,
        false
    from rowline.job_deltas
    where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
    union all
    select queue, 0, 0, 0, 0, 0, 0, 0, true, paused_at is not null
    from rowline.queue_settings
),
named as (
    select
        queue,
        sum(waiting)::bigint as waiting, sum(prioritized)::bigint as prioritized, sum(delayed)::bigint as delayed,
        sum(active)::bigint as active, sum(waiting_children)::bigint as waiting_children,
        sum(completed)::bigint as completed, sum(failed)::bigint as failed,
        bool_or(is_paused) as is_paused
    from parts
    where queue like :pattern and queue like any(:allowed::text[])
    group by queue
    having bool_or(has_settings)
        or sum(waiting + prioritized + delayed + active + waiting_children + completed + failed) > 0
),
page as (
    select
        *,
        row_number() over (
            order by
                case when :by_attention::boolean and is_paused and waiting + prioritized > 0 then 0 else 1 end,
                case when :by_attention::boolean then - failed else 0 end,
                case when :by_attention::boolean then - (waiting + prioritized) else 0 end,
                queue
        ) as nth
    from named
    where queue > :after
    order by nth
    limit :length offset :start
)
select
    total.matching, page.queue, page.waiting, page.prioritized, page.delayed, page.active, page.waiting_children,
    page.completed, page.failed
from (select count(*) as matching from named) as total
left join page on true
order by page.nth
