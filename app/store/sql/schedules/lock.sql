-- Locks a schedule of :queue; returns its id. Waits for its row, so for a tick of it. Index: schedules_pkey.
select schedule.id
from rowline.schedules as schedule
where schedule.queue = :queue and schedule.id = :id
for update
