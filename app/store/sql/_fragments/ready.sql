-- The ready jobs of :queue, from a place on (`app/domain/scan.py`), unless the queue is paused.
from rowline.jobs
where queue = :queue and status in ('waiting', 'prioritized')
    and (priority, place) >= (:from_priority::integer, :from_place::bigint)
    and not exists (
        select from rowline.queue_settings as setting where setting.queue = :queue and setting.paused_at is not null
    )
