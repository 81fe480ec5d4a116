-- Removes a schedule of :queue, which the transaction has locked. Index: schedules_pkey.
delete from rowline.schedules as schedule
where schedule.queue = :queue and schedule.id = :id
returning schedule.id
