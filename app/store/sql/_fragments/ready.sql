-- The ready jobs of :queue, from a place on (`app/domain/scan.py`).
from rowline.jobs
where queue = :queue and status in ('waiting', 'prioritized')
    and (priority, place) >= (:from_priority::integer, :from_place::bigint)
