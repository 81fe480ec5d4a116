-- Returns a schedule of :queue; without the data of its jobs, if they are longer than :max_bytes bytes, but how long they are.
-- Index: schedules_pkey.
select
    :_schedule
    , schedule.data_bytes as bytes,
    :_shown_data
from rowline.schedules as schedule
where schedule.queue = :queue and schedule.id = :id
