-- Returns how many schedules :queue has. Index: schedules_pkey.
select count(*) as number from rowline.schedules as schedule where schedule.queue = :queue
