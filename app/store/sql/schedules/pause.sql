-- Pauses a schedule of :queue, unless it is paused. Waits for its row. Index: schedules_pkey.
update rowline.schedules as schedule
set paused_at = statement_timestamp(), paused_by = :paused_by
where schedule.queue = :queue and schedule.id = :id and schedule.paused_at is null
returning schedule.id
