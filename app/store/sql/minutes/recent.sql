-- Returns how many jobs of each of :queues were added, completed and failed in the last :windows full minutes, a row for
-- each window. A queue in which nothing happened has none. Index: job_minutes_pkey, fifteen probes for each queue.
with spent as materialized (
    select asked.queue, past.ago, minute.added, minute.completed, minute.failed
    from unnest(:queues::text[]) as asked (queue)
    cross join generate_series(1, (select max(minutes) from unnest(:windows::integer[]) as minutes)) as past (ago)
    cross join lateral (
        select added, completed, failed from rowline.job_minutes
        where minute = date_trunc('minute', statement_timestamp()) - past.ago * interval '1 minute'
            and queue = asked.queue
        limit 1
    ) as minute
)
select
    spent.queue, asked.minutes, sum(spent.added)::bigint as added, sum(spent.completed)::bigint as completed,
    sum(spent.failed)::bigint as failed
from spent
join unnest(:windows::integer[]) as asked (minutes) on spent.ago <= asked.minutes
group by spent.queue, asked.minutes
