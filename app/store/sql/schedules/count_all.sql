-- Returns how many schedules the queues have whose names match :pattern and one of :allowed. Index: schedules_pkey, all
-- of it.
select count(*) as number
from rowline.schedules as schedule
where schedule.queue like :pattern and schedule.queue like any(:allowed::text[])
