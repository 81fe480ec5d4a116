-- Moves the schedules of :ids in :queue on, which the transaction has locked: to the tick of :nexts; null: there is none. :made
-- is how many ticks got a job, :skipped how many did not; of the last one that did :tick_ats is the time, :numbers and
-- :job_ids are the job, null if none did. All by :ids, which are in ascending order. Index: schedules_pkey.
update rowline.schedules as schedule
set next_at = (:nexts::bigint[])[width_bucket(schedule.id, :ids::text[])],
    ticks = schedule.ticks + (:made::bigint[])[width_bucket(schedule.id, :ids::text[])],
    skipped = schedule.skipped + (:skipped::bigint[])[width_bucket(schedule.id, :ids::text[])],
    last_tick_at = coalesce((:tick_ats::bigint[])[width_bucket(schedule.id, :ids::text[])], schedule.last_tick_at),
    last_number = coalesce((:numbers::bigint[])[width_bucket(schedule.id, :ids::text[])], schedule.last_number),
    last_job_id = coalesce((:job_ids::text[])[width_bucket(schedule.id, :ids::text[])], schedule.last_job_id)
where schedule.queue = :queue and schedule.id = any(:ids::text[])
returning schedule.id
