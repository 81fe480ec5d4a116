-- Ends the pause of a schedule of :queue, which the transaction has locked: its next tick is at :next_at. Index: schedules_pkey.
update rowline.schedules as schedule
set paused_at = null, paused_by = null, next_at = :next_at::bigint
where schedule.queue = :queue and schedule.id = :id and schedule.paused_at is not null
returning schedule.id
