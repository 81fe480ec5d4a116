-- Returns what keeps the jobs of :queue from being claimed, in one row: its pause, its endpoint, and how many workers were
-- seen in the last :seen_s, those that call its endpoint apart; how many slots its Python workers have and use; and whether
-- the queue ever had a job that was counted, or has a schedule.
-- Indexes: queue_settings_pkey, endpoints_pkey, queue_workers_pkey, job_counts_pkey, schedules_pkey, one probe each.
select
    statement_timestamp() as at, setting.paused_at, setting.paused_by, setting.pause_reason,
    endpoint.queue is not null as has_endpoint, endpoint.switched_off_at, endpoint.switched_off_reason,
    endpoint.paused_until, endpoint.limiter_max, endpoint.limiter_ms, endpoint.window_started_at, endpoint.window_count,
    seen.workers, seen.dispatchers, seen.slots, seen.busy,
    exists (select from rowline.job_counts where queue = :queue)
        or exists (select from rowline.schedules where queue = :queue) as has_traces
from (
    select
        count(*) filter (where way <> 'push') as workers, count(*) filter (where way = 'push') as dispatchers,
        coalesce(sum(slots) filter (where way = 'python'), 0)::bigint as slots,
        coalesce(sum(busy) filter (where way = 'python'), 0)::bigint as busy
    from (
        select way, max(slots) as slots, max(busy) as busy from rowline.queue_workers
        where queue = :queue and seen_at > statement_timestamp() - :seen_s * interval '1 second'
        group by worker, way
    ) as one
) as seen
left join rowline.queue_settings as setting on setting.queue = :queue
left join rowline.endpoints as endpoint on endpoint.queue = :queue
