-- Returns the :queues that have a due job, or a ready one at or after their place in (:from_priorities, :from_places).
-- A paused queue has none that is ready. Indexes: jobs_next, jobs_later, queue_settings_pkey, one probe of each per
-- queue.
select asked.queue
from unnest(:queues::text[], :from_priorities::integer[], :from_places::bigint[])
    as asked (queue, from_priority, from_place)
cross join lateral (
    (select from rowline.jobs
    where queue = asked.queue and '' || status in ('waiting', 'prioritized')
        and (priority, place) >= (asked.from_priority, asked.from_place)
        and not exists (
            select from rowline.queue_settings as setting
            where setting.queue = asked.queue and setting.paused_at is not null
        )
    order by priority, place
    limit 1)
    union all
    (select from rowline.jobs
    where queue = asked.queue and '' || status || '' = 'delayed' and run_at <= statement_timestamp()
    order by run_at
    limit 1)
    limit 1
) as found
