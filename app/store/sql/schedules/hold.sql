-- Locks those of the schedules of :ids in :queue that no other transaction has locked; returns them, and how long the data of
-- their jobs are. What is decided by them is read by a later statement, which sees what was committed before the lock.
-- The commit does not wait for the disk: a crash loses ticks with what their schedules know of them, so they are made again.
-- Index: schedules_pkey.
with hurried as materialized (
    select set_config('synchronous_commit', 'off', true)
)
select schedule.id, schedule.data_bytes as bytes
from rowline.schedules as schedule
cross join hurried
where schedule.queue = :queue and schedule.id = any(:ids::text[])
order by schedule.id
for update of schedule skip locked
