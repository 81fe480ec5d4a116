-- The ready jobs of :queue, from a place on (`app/domain/scan.py`), unless the queue is paused. Not those that should have
-- started by now: they fail within a second, and are never handed out (decision 56).
from rowline.jobs
where queue = :queue and '' || status in ('waiting', 'prioritized')
    and (priority, place) >= (:from_priority::integer, :from_place::bigint)
    and (start_by is null or attempts_started > 0 or start_by > extract(epoch from statement_timestamp()) * 1000)
    and not exists (
        select from rowline.queue_settings as setting where setting.queue = :queue and setting.paused_at is not null
    )
