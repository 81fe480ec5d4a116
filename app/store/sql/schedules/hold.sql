-- Locks those of the schedules of :ids in :queue that no other transaction has locked; returns them, and how long the data of
-- their jobs are. What is decided by them is read by a later statement, which sees what was committed before the lock.
-- Index: schedules_pkey.
select schedule.id, schedule.data_bytes as bytes
from rowline.schedules as schedule
where schedule.queue = :queue and schedule.id = any(:ids::text[])
order by schedule.id
for update skip locked
