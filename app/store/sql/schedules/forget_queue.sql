-- Removes up to :limit schedules of :queue. Waits for row locks. Index: schedules_pkey.
delete from rowline.schedules as schedule
where schedule.queue = :queue and schedule.id = any(array(
    select old.id from rowline.schedules as old where old.queue = :queue order by old.id limit :limit
))
returning schedule.id
