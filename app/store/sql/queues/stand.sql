-- Returns of each of :queues its settings, since when the job that has been ready longest is ready, when the next
-- delayed one is due, and how many workers were seen in the last :seen_s. With more than :most_priorities different
-- priorities among its ready jobs the moment of the oldest is null. Of each key: its path, how far it is, and how many
-- jobs were looked at for it.
-- Indexes: queue_settings_pkey; jobs_next, three probes for each priority; jobs_later, one probe for each queue;
-- queue_workers_pkey; term_fills_pkey, one probe for each key.
select
    asked.queue, setting.paused_at, setting.paused_by, setting.pause_reason, setting.remove_on_complete,
    setting.remove_on_fail, setting.start_within_ms, setting.defaults, keyed.keys,
    timestamptz 'epoch' + ready.place * interval '1 microsecond' as oldest_ready_at, due.run_at as next_due_at,
    coalesce(seen.workers, 0) as workers
from unnest(:queues::text[]) as asked (queue)
left join rowline.queue_settings as setting on setting.queue = asked.queue
left join lateral (
    select json_agg(json_build_array(key.path, fill.status, fill.looked_at) order by key.nth) as keys
    from unnest(setting.keys) with ordinality as key (path, nth)
    left join lateral (
        select one.status, one.looked_at from rowline.term_fills as one
        where one.queue = asked.queue and one.path = key.path
        limit 1
    ) as fill on true
) as keyed on setting.keys is not null
left join lateral (
    with recursive priorities as (
        (select priority from rowline.jobs
        where queue = asked.queue and '' || status in ('waiting', 'prioritized')
        order by priority
        limit 1)
        union all
        select next.priority
        from priorities
        cross join lateral (
            select priority from rowline.jobs
            where queue = asked.queue and '' || status in ('waiting', 'prioritized') and priority > priorities.priority
            order by priority
            limit 1
        ) as next
    ),
    first as materialized (
        select priority from priorities limit :most_priorities + 1
    )
    select min(oldest.place) as place
    from (select asked.queue, priority from first) as line
    cross join lateral (
        :_first_places
    ) as oldest
    where (select count(*) from first) <= :most_priorities
) as ready on true
left join lateral (
    select run_at from rowline.jobs
    where queue = asked.queue and '' || status || '' = 'delayed'
    order by run_at
    limit 1
) as due on true
left join lateral (
    select count(*) as workers from (
        select worker from rowline.queue_workers
        where queue = asked.queue and seen_at > statement_timestamp() - :seen_s * interval '1 second'
        group by worker, way
    ) as one
) as seen on true
